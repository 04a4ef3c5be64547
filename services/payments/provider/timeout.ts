// Bounds how long a provider may think. Silence is not a refusal: it leaves the outcome unknown.
import { ProviderUnavailable, type PaymentProvider, type ProviderOf } from "./contract.ts";

export function withTimeout(providerOf: ProviderOf, timeoutMs: number): ProviderOf {
  const bounded = async <Result>(call: Promise<Result>): Promise<Result> => {
    const silence = Promise.withResolvers<never>();
    const timer = setTimeout(() => silence.reject(new ProviderUnavailable(`no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      return await Promise.race([call, silence.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
  return (tenant) => {
    const provider = providerOf(tenant);
    const listCharges = provider.listCharges?.bind(provider);
    const readMessage = provider.readMessage?.bind(provider);
    return {
      name: provider.name,
      capturesInParts: provider.capturesInParts,
      authorize: (request) => bounded(provider.authorize(request)),
      capture: (request) => bounded(provider.capture(request)),
      void: (request) => bounded(provider.void(request)),
      refund: (request) => bounded(provider.refund(request)),
      lookup: (key, reference) => bounded(provider.lookup(key, reference)),
      statementMax: provider.statementMax,
      statement: (references) => bounded(provider.statement(references)),
      ...(listCharges ? { listCharges: (page) => bounded(listCharges(page)) } : {}),
      ...(readMessage ? { readMessage } : {}),
    } satisfies PaymentProvider;
  };
}
