// Requests about dead letters: lists, counts, single letters, and where the rest is answered.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type {
  GetDeadLetterStatsRequest,
  ListDeadLettersRequest,
  OperationsService,
} from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { countLetters, type CountedBy, type LetterCount } from "../store/letters/count-letters.ts";
import { listLetters, readActions, readLetter, type LetterPage, type LetterView } from "../store/letters/read-letters.ts";
import { actionMessage, filterOf, letterMessage } from "./dead-letter-messages.ts";
import { redriveRoutes } from "./dead-letters-redrive.ts";
import { republishRoutes } from "./dead-letters-republish.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";
import { streamKeyRoutes } from "./dead-letters-keys.ts";

export function deadLetterRoutes(options: OperationsRoutesOptions): Partial<ServiceImpl<typeof OperationsService>> {
  const { db } = options.runtime;
  return {
    listDeadLetters: (request) => list(options, request),
    getDeadLetter: async ({ letterId }) => {
      const letter = await readLetter(db, letterId);
      if (!letter) throw letterNotFound(letterId);
      return { deadLetter: letterMessage(letter, { withBytes: true }) };
    },
    listDeadLetterActions: async ({ letterId }) => {
      const actions = await readActions(db, letterId);
      if (!actions) throw letterNotFound(letterId);
      return { actions: actions.map(actionMessage) };
    },
    getDeadLetterStats: (request) => stats(options, request),
    ...redriveRoutes(options),
    ...republishRoutes(options),
    ...streamKeyRoutes(options),
  };
}

async function list({ runtime }: OperationsRoutesOptions, request: ListDeadLettersRequest) {
  const pageSize = pageSizeOf(request.pageSize || request.limit);
  const after = readPlace(request.pageToken);
  const rows = await listLetters(runtime.db, {
    filter: filterOf(request.filter),
    rowsMax: pageSize + 1,
    after,
    offset: request.offset,
  });
  const page = cutPage(rows, pageSize, placeOf);
  return {
    deadLetters: page.rows.map((letter) => letterMessage(letter, { withBytes: false })),
    nextPageToken: page.nextPageToken,
  };
}

/** Where a page ends: the time of the letter's last failure and its id. */
const placeOf = ({ lastFailureTime, letterId }: LetterView): string => `${lastFailureTime.getTime()}:${letterId}`;

function readPlace(pageToken: string): LetterPage["after"] {
  const place = readPageToken(pageToken);
  if (place === undefined) return undefined;
  const [, milliseconds, letterId] = /^(\d{1,15}):(ltr_\w+)$/.exec(place) ?? [];
  if (!milliseconds || !letterId) {
    throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one that an earlier page has given");
  }
  return { lastFailureTime: new Date(Number(milliseconds)), letterId };
}

async function stats({ runtime }: OperationsRoutesOptions, { filter }: GetDeadLetterStatsRequest) {
  const counts = await countLetters(runtime.db, filter && filterOf(filter), runtime.clock.now());
  const by = (wanted: CountedBy, nameOf = (name: string): string => name) =>
    counts.flatMap(({ by: given, name, letters }: LetterCount) =>
      given === wanted ? [{ name: nameOf(name), letters: BigInt(letters) }] : [],
    );
  const total = counts.find((count) => count.by === "total");
  return {
    total: BigInt(total?.letters ?? 0),
    byState: by("state", (name) => name.toUpperCase()),
    byConsumer: by("consumer"),
    byType: by("type"),
    byCode: by("code"),
    byAge: by("age"),
    ...(total?.oldest && { oldestFailureTime: timestampFromDate(total.oldest) }),
  };
}

function letterNotFound(letterId: string): ConnectError {
  return refuse(Code.NotFound, "DEAD_LETTER_NOT_FOUND", `no dead letter ${letterId}`, { letterId });
}
