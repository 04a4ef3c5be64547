// Which files a service may have, and how large they may grow.
import { placeOf, serviceNames } from "./places.ts";
import { isTest, type Sources, type Violation } from "./sources.ts";

/** A file or a folder of that name, whichever the room needs. */
const fileOrFolderRooms = ["rpc", "consumers", "events", "domain", "store", "due", "tasks", "seed", "provider", "carrier"];
const roomList = `main.ts, ${fileOrFolderRooms.map((room) => `${room}.ts or ${room}/`).join(", ")}, migrations/, README.md, *.test.ts and *.fixture.ts`;

const linesMax = 349;
const countedPattern = /\.(ts|tsx|js|mjs|cjs|css|html|sql|py|go|sh)$/;
const generatedPattern = /@generated|code generated|do not edit/i;

function isAllowed(rest: string): boolean {
  const [first = "", ...deeper] = rest.split("/");
  if (deeper.length > 0) return first === "migrations" || fileOrFolderRooms.includes(first);
  return first === "main.ts" || first === "README.md" || isTest(first) || fileOrFolderRooms.includes(first.replace(/\.ts$/, ""));
}

export function roomViolations(sources: Sources): Violation[] {
  return [...sources.keys()].flatMap((path) => {
    const place = placeOf(path);
    if (place.kind === "mesh" && !/^services\/(mesh(\.test)?\.ts|[\w-]+\.d\.ts|README\.md)$/.test(path)) {
      return [{ path, message: "beside the services there is only mesh.ts; what every service stands on belongs in runtime/" }];
    }
    if (place.kind !== "service") return [];
    const folder = `services/${place.service}/`;
    const rest = path.slice(folder.length);
    if (!isAllowed(rest)) return [{ path, message: `is no room of a service; a service has ${roomList}` }];
    const isTwice =
      rest === `${place.room}.ts` && [...sources.keys()].some((other) => other.startsWith(`${folder}${place.room}/`));
    return isTwice ? [{ path, message: `the room ${place.room} is a file and a folder; move the file into the folder` }] : [];
  });
}

export function readmeViolations(sources: Sources): Violation[] {
  return serviceNames(sources.keys())
    .map((service) => `services/${service}/README.md`)
    .filter((path) => !sources.has(path))
    .map((path) => ({ path, message: "is missing; one page: owns, offers, emits, hears, invariants" }));
}

export function nameViolations(sources: Sources): Violation[] {
  return [...sources.keys()].flatMap((path) => {
    if (/(^|\/)index\.tsx?$/.test(path) && path.startsWith("services/") && !path.includes("/migrations/")) {
      return [{ path, message: "is a barrel; import the module that has the thing" }];
    }
    if (/(^|\/)(utils?|helpers?)(\/|\.ts$)/.test(path))
      return [{ path, message: "is named after nothing; name it by what it does" }];
    return [];
  });
}

export function sizeViolations(sources: Sources): Violation[] {
  return [...sources].flatMap(([path, text]) => {
    if (!countedPattern.test(path) || /\/seed(\/|\.ts$)/.test(path)) return [];
    if (text.split("\n", 5).some((line) => generatedPattern.test(line))) return [];
    const lines = text.trimEnd().split("\n").length;
    return lines > linesMax
      ? [{ path, message: `has ${lines} lines, ${linesMax} at most; split it by what its parts are about` }]
      : [];
  });
}

const refusalPattern = /\brefuse\(\s*Code\.\w+,\s*["']([A-Z0-9_]+)["']/g;

/** Callers act on reasons, so each is on the page of the service that gives it. */
export function reasonViolations(sources: Sources): Violation[] {
  return [...sources].flatMap(([path, text]) => {
    const place = placeOf(path);
    if (place.kind !== "service" || isTest(path)) return [];
    const readme = sources.get(`services/${place.service}/README.md`) ?? "";
    const reasons = new Set([...text.matchAll(refusalPattern)].map(([, reason = ""]) => reason));
    return [...reasons]
      .filter((reason) => !new RegExp(`\\b${reason}\\b`).test(readme))
      .map((reason) => ({ path, message: `refuses with ${reason}, which services/${place.service}/README.md does not name` }));
  });
}
