// The functions of oauth4webapi (npm) against a project that is running. Each follows its specification to the letter.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { Person, report } from './person.mjs';

const { issuer, api, username, password, redirectUri, browser, machine } = JSON.parse(process.argv[2]);
const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: browser };
const none = oauth.None();
const scope = 'openid orders:read';
const person = new Person({ username, password });
let as, code, verifier, nonce, tokens;

const discover = async (algorithm) => oauth.processDiscoveryResponse(
  new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm, ...insecure }));

async function authorize(parameters = {}) {
  verifier = oauth.generateRandomCodeVerifier();
  nonce = oauth.generateRandomNonce();
  const state = oauth.generateRandomState();
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: browser, redirect_uri: redirectUri, response_type: 'code', scope, state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...parameters,
  });
  return oauth.validateAuthResponse(as, client, await person.authorize(url), state);
}

const exchange = async (authentication = none) => oauth.processAuthorizationCodeResponse(
  as, client,
  await oauth.authorizationCodeGrantRequest(as, client, authentication, code, redirectUri, verifier, insecure),
  { expectedNonce: nonce, requireIdToken: true });

const refresh = async (token, parameters) => oauth.processRefreshTokenResponse(
  as, client, await oauth.refreshTokenGrantRequest(as, client, none, token, { additionalParameters: parameters, ...insecure }));

const whoami = (token) => oauth.protectedResourceRequest(token, 'GET', new URL(`${api}/api/whoami/`), undefined, undefined, insecure);

await report({
  async 'reads both metadata documents'() {
    as = await discover('oauth2');
    const openid = await discover('oidc');
    assert.equal(openid.issuer, as.issuer);
    assert.equal(openid.request_uri_parameter_supported, false);
    as = openid;
  },
  async 'reads the metadata of the API'() {
    const found = await oauth.processResourceDiscoveryResponse(new URL(api), await oauth.resourceDiscoveryRequest(new URL(api), insecure));
    assert.deepEqual(found.authorization_servers, [issuer]);
  },
  async 'exchanges a code, and verifies the signature of the ID token'() {
    code = await authorize();
    const response = await oauth.authorizationCodeGrantRequest(as, client, none, code, redirectUri, verifier, insecure);
    tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true });
    await oauth.validateApplicationLevelSignature(as, response, insecure);
  },
  async 'reads the claims of the person'() {
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const response = await oauth.userInfoRequest(as, client, tokens.access_token, insecure);
    assert.equal((await oauth.processUserInfoResponse(as, client, sub, response)).sub, sub);
  },
  async 'calls the API'() {
    assert.equal((await whoami(tokens.access_token)).status, 200);
  },
  async 'reads the challenge of the API'() {
    await assert.rejects(whoami('unknown'), (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.status === 401);
  },
  async 'reads the challenge of the UserInfo endpoint'() {
    const { access_token } = await refresh(tokens.refresh_token, { scope: 'orders:read' });
    const request = oauth.userInfoRequest(as, client, access_token, insecure)
      .then((response) => oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, response));
    await assert.rejects(request, (error) => error.status === 403 && error.cause[0].parameters.error === 'insufficient_scope');
  },
  async 'ends the tokens of a code that it uses twice'() {
    code = await authorize();
    const first = await exchange();
    await assert.rejects(exchange(), { error: 'invalid_grant' });
    await assert.rejects(refresh(first.refresh_token), { error: 'invalid_grant' });
  },
  async 'lets one of six concurrent refreshes succeed'() {
    code = await authorize();
    const { refresh_token } = await exchange();
    const answers = await Promise.allSettled(Array.from({ length: 6 }, () => refresh(refresh_token)));
    assert.deepEqual(answers.map((answer) => answer.reason?.error ?? 'tokens').sort(), [...Array(5).fill('invalid_grant'), 'tokens']);
    await refresh(answers.find((answer) => answer.value).value.refresh_token);
  },
  async 'may send Basic credentials without a secret'() {
    code = await authorize();
    await exchange((server, { client_id }, body, headers) => headers.set('authorization', `Basic ${btoa(`${client_id}:`)}`));
  },
  async 'is refused a request object by name'() {
    await assert.rejects(authorize({ request: 'eyJhbGciOiJub25lIn0.e30.' }), { error: 'request_not_supported' });
  },
  async 'is told that a parameter is malformed'() {
    await assert.rejects(authorize({ claims: 'notjson' }), { error: 'invalid_request' });
  },
  async 'is asked for Basic credentials by the revocation endpoint'() {
    const unknown = { client_id: machine.id };
    const response = await oauth.revocationRequest(as, unknown, oauth.ClientSecretBasic('wrong'), 'a-token', insecure);
    await assert.rejects(oauth.processRevocationResponse(response), (error) => error.cause[0].scheme === 'basic');
  },
  async 'revokes a token'() {
    code = await authorize();
    tokens = await exchange();
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, none, tokens.access_token, insecure));
    await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' });
  },
});
