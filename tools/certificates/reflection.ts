// @peculiar/x509 finds its algorithms with a library that asks for the reflection of decorators when it is loaded, and answers
// without it. None of its classes takes part in construction, so "nothing is known" is the whole truth. Import this first.
const nothingKnown = { getMetadata: () => undefined, getOwnMetadata: () => undefined, defineMetadata: () => {} };
for (const [name, answer] of Object.entries(nothingKnown)) if (!(name in Reflect)) Object.assign(Reflect, { [name]: answer });
