// Pages through the money that is held and not yet taken.
import { create } from "@bufbuild/protobuf";
import {
  ListHeldPaymentsResponseSchema,
  type ListHeldPaymentsRequest,
  type ListHeldPaymentsResponse,
} from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { cutPage, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { readHeldPage } from "../store/audit.ts";
import type { PaymentsTables } from "../store/payments.ts";
import { auditPageSizeDefault } from "./audit.ts";
import { paymentEntry } from "./payment-message.ts";

export async function listHeldPayments(
  { db }: Pick<ServiceRuntime<PaymentsTables>, "db">,
  request: ListHeldPaymentsRequest,
): Promise<ListHeldPaymentsResponse> {
  const pageSize = request.pageSize || auditPageSizeDefault;
  const page = { tenant: currentRequest().tenant, after: readPageToken(request.pageToken), rowsMax: pageSize + 1 };
  const { rows, nextPageToken } = cutPage(await readHeldPage(db, page), pageSize, ({ orderId }) => orderId);
  return create(ListHeldPaymentsResponseSchema, { payments: rows.map((row) => paymentEntry(row)), nextPageToken });
}
