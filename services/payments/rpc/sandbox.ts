// AnswerChallenge: the buyer's bank, where the sandbox plays it.
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  AnswerChallengeResponseSchema,
  ChallengeState,
  type AnswerChallengeRequest,
  type AnswerChallengeResponse,
} from "#gen/ordermesh/payments/v1/payments_sandbox_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { ProviderOf } from "../provider/contract.ts";
import { answerChallenge as answer } from "../provider/sandbox-challenges.ts";
import type { PaymentsTables } from "../store/payments.ts";

export function answerChallenge(
  { db }: Pick<ServiceRuntime<PaymentsTables>, "db">,
  providerOf: ProviderOf,
): (request: AnswerChallengeRequest) => Promise<AnswerChallengeResponse> {
  return async ({ clientSecret, approved }) => {
    const { tenant } = currentRequest();
    if (providerOf(tenant).name !== "sandbox") {
      throw refuse(Code.NotFound, "PROVIDER_UNKNOWN", "the payment provider is not the sandbox; answer on the bank's own page");
    }
    const state = await answer(db, { tenant, clientSecret, approved });
    if (!state) throw refuse(Code.NotFound, "CHALLENGE_NOT_FOUND", "no payment waits under this secret; read it again");
    return create(AnswerChallengeResponseSchema, { state: ChallengeState[state] });
  };
}
