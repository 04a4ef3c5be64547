import { expect, test } from "vitest";
import { printable } from "./printable.ts";

test.each([
  { given: "Zoë Müller-O'Brien, Straße 5 – 2. Stock", text: "Zoë Müller-O'Brien, Straße 5 – 2. Stock", lost: 0 },
  { given: "e\u0301cole", text: "école", lost: 0 },
  { given: "Łódź, Đặng, Şişli, Žižkov", text: "Lódz, Dang, Sisli, Žižkov", lost: 0 },
  { given: "Москва, ул. Щукина 7", text: "Moskva, ul. Shchukina 7", lost: 0 },
  { given: "Київ", text: "Kiiv", lost: 0 },
  { given: "Αθήνα", text: "Athina", lost: 0 },
  { given: "東京都 5-1", text: "??? 5-1", lost: 3 },
  { given: "בית", text: "???", lost: 3 },
  { given: "👩‍💻 Ada", text: "??? Ada", lost: 3 },
  { given: "tab\tnew\nline\u0000", text: "tab?new?line?", lost: 3 },
  { given: "", text: "", lost: 0 },
])('"$given" is printed as "$text"', ({ given, text, lost }) => {
  expect(printable(given)).toEqual({ text, lost });
});
