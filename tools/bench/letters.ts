// Letters in number, filed as they are filed when consumers fail.
import { create, toBinary } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { newId } from "#runtime/ids.ts";
import { fileFailures, type Failure } from "../../services/operations/store/letters/file-letters.ts";
import type { OperationsTables } from "../../services/operations/store/tables.ts";

const typeName = "ordermesh.catalog.events.v1.ProductCreated";
// None that is sent again by itself.
const codes = ["HANDLER_FAILED", "DUPLICATE_ORDER", "PAYLOAD_MALFORMED", "ORDER_UNKNOWN"];
const batch = 1_000;

/** Of five services with four consumers each, over the last two days, three letters a key. */
function failure(index: number, now: Date): Failure {
  const service = ["inventory", "orders", "payments", "shipping", "fraud"][index % 5] ?? "";
  const key = `prod${Math.floor(index / 60) * 20 + (index % 20)}`;
  const subject = `p.${index % 4}.${typeName}.demo.${key}`;
  const eventId = newId("evt");
  const time = new Date(now.getTime() - ((index * 17_000) % 172_800_000));
  return {
    service,
    consumer: `${service}_p${index % 4}`,
    stream: "EVENTS",
    streamSequence: index + 1,
    position: index + 1,
    original: {
      eventId,
      eventTime: time,
      typeName,
      tenant: "demo",
      key,
      subject,
      headers: [
        { name: "ce-id", value: eventId },
        { name: "ce-type", value: typeName },
        { name: "ce-time", value: time.toISOString() },
      ],
      payload: toBinary(ProductCreatedSchema, create(ProductCreatedSchema, { productId: key, title: `product ${index}` })),
      letterId: "",
    },
    code: codes[index % codes.length] ?? "",
    message: "cannot be done",
    attempts: 4,
    attemptsAreTotal: true,
    time,
    source: "advisory",
  };
}

/** Files so many letters. */
export async function fileMany(
  transaction: (work: (tx: Transaction<OperationsTables>) => Promise<unknown>) => Promise<unknown>,
  letters: number,
): Promise<void> {
  const now = new Date();
  for (let start = 0; start < letters; start += batch) {
    const failures = Array.from({ length: Math.min(batch, letters - start) }, (_, index) => failure(start + index, now));
    await transaction((tx) => fileFailures(tx, failures));
  }
}
