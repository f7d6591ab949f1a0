// The OAuth client of the Model Context Protocol SDK calls an API: 401, discovery, sign-in, token, 200.
// It prints the authorization URL, reads the redirect to the client, and prints the steps as JSON.
import { createInterface } from "node:readline/promises";
import { auth } from "@modelcontextprotocol/sdk/client/auth.js";
import { withOAuth } from "@modelcontextprotocol/sdk/client/middleware.js";

const { api, client_id, redirect_uri } = JSON.parse(process.argv[2]);
const lines = createInterface({ input: process.stdin });
const kept = {};
const steps = [];

const provider = {
  redirectUrl: redirect_uri,
  clientMetadata: { redirect_uris: [redirect_uri] },
  clientInformation: () => ({ client_id }),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: (url) => { kept.url = url; },
};
const recorded = async (input, init) => {
  const response = await fetch(input, init);
  const { pathname } = new URL(input);
  steps.push([pathname, response.status]);
  return response;
};
const call = withOAuth(provider)(recorded);

await call(api).then(() => { throw new Error("no 401"); }, (error) => {
  if (!kept.url) throw error;
});
console.log(kept.url.href);
const { value: callback } = await lines[Symbol.asyncIterator]().next();
await auth(provider, {
  serverUrl: new URL(api).origin,
  authorizationCode: new URL(callback).searchParams.get("code"),
  fetchFn: recorded,
});
const response = await call(api);
console.log(JSON.stringify({ steps, answer: await response.json(), resource: kept.url.searchParams.get("resource") }));
lines.close();
