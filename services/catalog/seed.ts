// A demonstration catalogue: what a shop might sell, made through the same RPC as everything else.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { CatalogService, CreateProductRequestSchema } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";

interface SeedVariant {
  sku: string;
  title: string;
  /** US cents; the other prices follow from it. */
  cents: number;
  stock: number;
  /** What one unit weighs. */
  grams: number;
}

interface SeedProduct {
  slug: string;
  title: string;
  description: string;
  soldInYen: boolean;
  variants: SeedVariant[];
}

/** Stock that tells a story; all other SKUs have some number between 20 and 500. */
const stockOf: Readonly<Record<string, number>> = {
  "MUG-BLUE": 500,
  "LAST-ONE-1": 1,
  "SOLD-OUT-1": 0,
  "TEAPOT-BLACK": 0,
  "RAINCOAT-YELLOW-S": 3,
  "LAMP-BRASS": 4,
  "CHESS-WALNUT": 5,
  "ESPRESSO-STEEL": 6,
  "TENT-2": 8,
  "TENT-4": 7,
  "VASE-INDIGO": 4,
  "KEYBOARD-US": 8,
};

const stockMin = 20;
const stockSpan = 481;

/** The same for a SKU in every start, so that a repeated request has the same content. */
function stockFor(sku: string): number {
  let hash = 17;
  for (const letter of sku) hash = (hash * 31 + letter.charCodeAt(0)) % 1_000_003;
  return stockOf[sku] ?? stockMin + (hash % stockSpan);
}

/** Weights that one can feel, by the first word of the SKU; all else weighs some number of tens of grams up to a kilogram. */
const gramsOf: Readonly<Record<string, number>> = { MUG: 350, TSHIRT: 180, TENT: 3_400, TEAPOT: 900, RAINCOAT: 650, LAMP: 2_600 };

function gramsFor(prefix: string): number {
  const sum = [...Buffer.from(prefix)].reduce((total, byte) => total + byte, 0);
  return gramsOf[prefix.split("-")[0] ?? ""] ?? 100 + (sum % 90) * 10;
}

/** A variant's title, or its title and its own price in US cents. */
type VariantText = string | readonly [title: string, cents: number];

/** SKUs are the prefix and the key of the variant; a product without variants has the prefix as its SKU. */
function product(
  title: string,
  description: string,
  cents: number,
  prefix: string,
  variants: Readonly<Record<string, VariantText>> = { "": "" },
  options: { soldInYen?: boolean } = {},
): SeedProduct {
  return {
    slug: title
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .replaceAll(/^-|-$/g, ""),
    title,
    description,
    soldInYen: options.soldInYen ?? true,
    variants: Object.entries(variants).map(([key, text]) => {
      const sku = key === "" ? prefix : `${prefix}-${key}`;
      const [variantTitle, variantCents] = typeof text === "string" ? [text, cents] : text;
      return { sku, title: variantTitle, cents: variantCents, stock: stockFor(sku), grams: gramsFor(prefix) };
    }),
  };
}

/** Every colour in every size, such as BLACK-M: "Black, M". */
function sizes(colours: readonly string[], labels: readonly string[] = ["S", "M", "L", "XL"]): Record<string, string> {
  return Object.fromEntries(
    colours.flatMap((colour) => labels.map((label) => [`${colour.toUpperCase()}-${label}`, `${colour}, ${label}`] as const)),
  );
}

/** One variant a word, such as BLUE: "Blue". */
const kinds = (...words: string[]): Record<string, string> =>
  Object.fromEntries(words.map((word) => [word.toUpperCase().replaceAll(" ", "-"), word]));

const notInYen = { soldInYen: false };

export const seedProducts: readonly SeedProduct[] = [
  // The first words of the README.
  product("Stoneware mug", "Holds 350 ml. Glazed by hand, safe in the dishwasher.", 1250, "MUG", kinds("Blue", "Sand", "Moss")),
  product(
    "Founder's print, number 1 of 1",
    "Signed linocut on cotton paper. There is one, and there will be no other.",
    9900,
    "LAST-ONE-1",
  ),
  product("Anniversary tin 2019", "Sold out years ago, and still asked for.", 2400, "SOLD-OUT-1"),

  // Clothing.
  product(
    "Organic cotton T-shirt",
    "Heavy jersey, 180 g, that keeps its shape.",
    2400,
    "TSHIRT",
    sizes(["Black", "White", "Navy"]),
  ),
  product(
    "Wool sweater",
    "Lambswool from one mill in Shetland, knitted in the round.",
    11800,
    "SWEATER",
    sizes(["Blue", "Grey"]),
  ),
  product("Linen shirt", "Washed linen with a button-down collar.", 7400, "LINEN", sizes(["White", "Sage"])),
  product(
    "Selvedge jeans",
    "13 oz denim, straight leg, hemmed by us.",
    12900,
    "JEANS",
    sizes(["Indigo"], ["30", "32", "34", "36"]),
  ),
  product("Rain coat", "Seams taped, hood that stays up.", 14900, "RAINCOAT", sizes(["Yellow", "Olive"], ["S", "M", "L"])),
  product(
    "Merino socks",
    "Two pairs. Thin enough for shoes, warm enough for January.",
    1900,
    "SOCKS",
    kinds("36-39", "40-43", "44-47"),
  ),
  product("Beanie", "Ribbed merino, one size.", 2900, "BEANIE", kinds("Rust", "Charcoal", "Cream")),
  product(
    "Canvas sneakers",
    "Vulcanised sole, laces in two colours.",
    6900,
    "SNEAKER",
    kinds("38", "39", "40", "41", "42", "43", "44"),
  ),
  product("Leather belt", "Full-grain leather, solid brass buckle.", 4900, "BELT", kinds("85", "95", "105")),
  product("Pyjama set", "Brushed cotton in a quiet stripe.", 5900, "PYJAMA", sizes(["Stripe"], ["S", "M", "L"]), notInYen),

  // Kitchen.
  product("Chef's knife", "20 cm, carbon steel core, walnut handle.", 13900, "KNIFE-CHEF"),
  product("Paring knife", "9 cm, for everything that is small.", 4200, "KNIFE-PARING"),
  product("Cast-iron skillet", "Pre-seasoned, for all hobs and for fires.", 4900, "SKILLET", {
    "20": ["20 cm", 3400],
    "26": ["26 cm", 4900],
    "30": ["30 cm", 6400],
  }),
  product("Enamel casserole", "Cast iron, 4.2 litres, lid with drip points.", 18900, "CASSEROLE", kinds("Red", "Cream", "Teal")),
  product("Teapot", "Stoneware, 900 ml, steel strainer inside.", 4400, "TEAPOT", kinds("Black", "White")),
  product("Pour-over coffee set", "Glass carafe, cone and forty filters.", 3900, "POUROVER"),
  product("Espresso maker", "Six cups on any hob.", 5400, "ESPRESSO", kinds("Steel", "Copper")),
  product("Burr grinder", "By hand, 38 settings, 30 g in a minute.", 8900, "GRINDER"),
  product("Chopping board", "End-grain oak, oiled, with rubber feet.", 6900, "BOARD", { S: ["30 cm", 4900], L: ["45 cm", 6900] }),
  product("Mixing bowls", "Three, nested, in brushed steel.", 3600, "BOWLS"),
  product("Linen tea towels", "Three, woven in Lithuania.", 2200, "TOWELS", kinds("Natural", "Blue stripe")),
  product("Salt cellar", "Turned olive wood with a swivel lid.", 1800, "SALT"),
  product("Olive oil, cold pressed", "Early harvest, one grove, tin of 500 ml.", 1690, "OIL-500", undefined, notInYen),

  // Home.
  product("Desk lamp", "Jointed arm, warm light, dims to one per cent.", 8900, "LAMP", kinds("Brass", "Black", "White")),
  product("Wool throw", "130 by 180 cm, fringed by hand.", 7900, "THROW", kinds("Oatmeal", "Forest", "Clay")),
  product("Linen duvet cover", "Stonewashed, closes with ties.", 13900, "DUVET", {
    "140": ["140 by 200 cm", 13900],
    "200": ["200 by 200 cm", 17900],
    "240": ["240 by 220 cm", 19900],
  }),
  product("Scented candle", "Soy wax, 45 hours.", 2800, "CANDLE", kinds("Cedar", "Fig", "Sea salt")),
  product("Vase", "Blown glass, no two alike.", 5600, "VASE", kinds("Smoke", "Indigo")),
  product("Wall clock", "Silent movement, beech rim, 30 cm.", 4900, "CLOCK", kinds("White", "Slate")),
  product("Woven basket", "Seagrass, with handles.", 3200, "BASKET", {
    S: ["Small", 2400],
    M: ["Medium", 3200],
    L: ["Large", 4400],
  }),
  product("Picture frame", "Solid oak, museum glass.", 2600, "FRAME", { A5: ["A5", 1900], A4: ["A4", 2600], A3: ["A3", 3900] }),
  product("Doormat", "Coir, 75 by 45 cm.", 2900, "DOORMAT", undefined, notInYen),
  product("Bath towel", "Waffle cotton that dries overnight.", 2900, "BATHTOWEL", kinds("White", "Sage", "Terracotta")),

  // Books and paper.
  product("The Cartographer's Daughter", "A novel of maps and of those who leave them.", 1899, "BOOK-CARTO", {
    HC: ["Hardcover", 2699],
    PB: "Paperback",
  }),
  product("Bread, Slowly", "Sixty loaves and the time they take.", 3200, "BOOK-BREAD", undefined, notInYen),
  product("A Field Guide to Clouds", "What they are, and what they will do next.", 2190, "BOOK-CLOUDS"),
  product("Queues and Quiet", "Essays on waiting, from the post office to the processor.", 2490, "BOOK-QUEUES"),
  product("Small Gardens of Kyoto", "Photographs, plans and the names of the moss.", 4800, "BOOK-KYOTO"),
  product("Dotted notebook", "192 pages of 100 g paper that lies flat.", 1700, "NOTEBOOK", kinds("Black", "Ochre", "Petrol")),
  product("Fountain pen", "Steel nib, converter enclosed.", 4900, "PEN", { F: "Fine", M: "Medium", B: "Broad" }),
  product("Ink, 50 ml", "Flows well, dries dark.", 1400, "INK", kinds("Midnight", "Walnut", "Bottle green")),
  product("Wall calendar", "Twelve woodcuts and room to write.", 2200, "CALENDAR", undefined, notInYen),

  // Electronics.
  product("Wireless headphones", "Closes the world out for 40 hours.", 24900, "HEADPHONES", kinds("Black", "Sand")),
  product("Mechanical keyboard", "75 per cent, hot-swappable switches.", 13900, "KEYBOARD", {
    US: "US layout",
    UK: "UK layout",
    JIS: "JIS layout",
  }),
  product("Portable speaker", "Survives the bath, plays 18 hours.", 8900, "SPEAKER", kinds("Coral", "Graphite")),
  product("USB-C charger", "Gallium nitride, three ports.", 4900, "CHARGER", { "65": ["65 W", 4900], "100": ["100 W", 7900] }),
  product("Braided cable, USB-C", "Carries 240 W and looks after its ends.", 1900, "CABLE", {
    "1": ["1 m", 1500],
    "2": ["2 m", 1900],
  }),
  product("Power bank", "Slim enough for a coat.", 4400, "POWERBANK", { "10": ["10,000 mAh", 4400], "20": ["20,000 mAh", 6900] }),
  product("E-reader", "7 inch, warm light, a month between charges.", 17900, "EREADER", {
    "16": ["16 GB", 17900],
    "32": ["32 GB", 20900],
  }),
  product("Instant camera", "Prints what it sees, with all its faults.", 11900, "CAMERA", kinds("Cream", "Black")),
  product("Instant film", "Twenty pictures.", 2100, "FILM-20"),

  // Outdoor and bicycle.
  product("Trekking tent", "Three seasons, two doors, poles by colour.", 32900, "TENT", {
    "2": ["2 people", 32900],
    "4": ["4 people", 42900],
  }),
  product("Down sleeping bag", "Comfort at 0 °C, packs to a loaf.", 27900, "SLEEPBAG", { R: "Regular", L: ["Long", 29900] }),
  product("Steel bottle", "Keeps ice for a day.", 2900, "BOTTLE", {
    "500": ["500 ml", 2900],
    "750": ["750 ml", 3400],
    "1000": ["1 litre", 3900],
  }),
  product("Daypack", "22 litres, recycled canvas, a pocket for the laptop.", 8900, "DAYPACK", kinds("Olive", "Navy", "Black")),
  product("Headlamp", "400 lumens, red light for the hut.", 4400, "HEADLAMP"),
  product("Camping stove", "Boils a litre in four minutes. Gas not included.", 5900, "STOVE", undefined, notInYen),
  product("Merino base layer", "Long sleeves, 200 g.", 8400, "BASELAYER", sizes(["Black"], ["S", "M", "L"])),
  product("Bicycle bell", "Brass, heard, never rude.", 2400, "BELL"),
  product("Handlebar bag", "Waterproof, opens with one hand.", 6400, "BARBAG", kinds("Black", "Sand")),
  product("Multitool for bicycles", "Seventeen functions in 160 g.", 3400, "MULTITOOL"),

  // Play.
  product("Chess set", "Weighted pieces, folding board.", 8900, "CHESS", kinds("Walnut", "Maple")),
  product("Jigsaw puzzle", "1,000 pieces, a harbour at dusk.", 2400, "PUZZLE-1000"),
  product("Wooden blocks", "Sixty, from six trees.", 3900, "BLOCKS", undefined, notInYen),
  product("Kite", "Flies from two Beaufort up.", 3200, "KITE", kinds("Red", "Sky")),
];

/** A price that ends in 90, nearest to the given number of minor units. */
const charming = (minorUnits: number): number => Math.max(90, Math.round((minorUnits - 90) / 100) * 100 + 90);

const euros = 0.94;
const pounds = 0.79;
const yen = 1.45;

function prices(cents: number, soldInYen: boolean): { currencyCode: string; minorUnits: bigint }[] {
  return [
    { currencyCode: "USD", minorUnits: BigInt(cents) },
    { currencyCode: "EUR", minorUnits: BigInt(charming(cents * euros)) },
    { currencyCode: "GBP", minorUnits: BigInt(charming(cents * pounds)) },
    ...(soldInYen ? [{ currencyCode: "JPY", minorUnits: BigInt(Math.round((cents * yen) / 100) * 100) }] : []),
  ];
}

function createRequest({
  slug,
  title,
  description,
  soldInYen,
  variants,
}: SeedProduct): MessageInitShape<typeof CreateProductRequestSchema> {
  return {
    requestId: `seed-${slug}`,
    title,
    description,
    variants: variants.map(({ sku, title, cents, stock, grams }) => ({
      variant: { sku, title, prices: prices(cents, soldInYen), weightGrams: BigInt(grams) },
      initialStock: BigInt(stock),
    })),
  };
}

const createsAtOnce = 8;

/** One SKU of each product: its event brings the stock of all of them. */
export const seededSkus: readonly string[] = seedProducts.flatMap(({ variants }) => variants.slice(0, 1).map(({ sku }) => sku));

/**
 * Puts the demonstration catalogue into the shop. Each product has a request id of its own, so a second start makes
 * nothing new. A SKU or a request that others have used meanwhile stays theirs.
 */
export async function seedCatalogue(
  client: Client<typeof CatalogService>,
  onProgress?: (message: string) => void,
): Promise<void> {
  const waiting = [...seedProducts];
  let kept = 0;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      try {
        await client.createProduct(createRequest(next));
      } catch (error) {
        if (!["SKU_TAKEN", "REQUEST_ID_REUSED"].includes(reasonOf(error) ?? "")) throw error;
        kept += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: createsAtOnce }, work));
  const left = kept === 0 ? "" : `; ${kept} were left as they are`;
  onProgress?.(`the demonstration catalogue has ${seedProducts.length} products${left}`);
}
