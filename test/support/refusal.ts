// What a call was refused with.
import { ConnectError, type Code } from "@connectrpc/connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { reasonOf } from "#runtime/errors.ts";

/** Throws where the call was answered, or failed in another way. */
export async function refusalError(call: Promise<unknown>): Promise<ConnectError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw new Error("the call was not refused", { cause: error });
  return error;
}

export async function refusal(call: Promise<unknown>): Promise<{ code: Code; reason: string | undefined }> {
  const error = await refusalError(call);
  return { code: error.code, reason: reasonOf(error) };
}

/** The same, with the fields that a program would read. */
export async function refusalWithMetadata(
  call: Promise<unknown>,
): Promise<{ code: Code; reason: string | undefined; metadata: Record<string, string> | undefined }> {
  const error = await refusalError(call);
  return { code: error.code, reason: reasonOf(error), metadata: error.findDetails(ErrorInfoSchema)[0]?.metadata };
}
