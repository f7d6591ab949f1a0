// The flows of openid-client (npm) against a project that is running. It verifies what it gets.
import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { Person, report } from './person.mjs';

const { issuer, api, username, password, redirectUri, logoutUri, browser, device, machine } = JSON.parse(process.argv[2]);
const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };
const scope = 'openid profile email offline_access orders:read orders:write';
const person = new Person({ username, password });
const config = await client.discovery(new URL(issuer), browser, undefined, client.None(), options);
let tokens;

async function signIn(parameters = {}, checks = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope, state: expectedState, nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256', ...parameters,
  });
  const callback = await person.authorize(url);
  assert.ok(callback, `a page in place of a redirect: ${person.status} ${person.url}`);
  return client.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true, ...checks,
  });
}

const credentials = (authentication) => async () => {
  const found = await client.discovery(new URL(issuer), machine.id, undefined, authentication, options);
  const answer = await client.clientCredentialsGrant(found, { scope: 'orders:read' });
  assert.equal(answer.scope, 'orders:read');
};

await report({
  async 'signs in with offline_access'() {
    tokens = await signIn();
    assert.equal(tokens.scope, 'openid profile email orders:read orders:write');
  },
  async 'reads the claims of the person'() {
    const claims = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    assert.equal(claims.email, username);
  },
  async 'calls the API'() {
    const response = await client.fetchProtectedResource(config, tokens.access_token, new URL(`${api}/api/whoami/`), 'GET');
    assert.equal(response.status, 200);
  },
  async 'narrows a refresh without shrinking the grant'() {
    const narrow = await client.refreshTokenGrant(config, tokens.refresh_token, { scope: 'openid orders:read' });
    assert.equal(narrow.scope, 'openid orders:read');
    const full = await client.refreshTokenGrant(config, narrow.refresh_token);
    assert.equal(full.scope, tokens.scope);
    tokens = full;
  },
  async 'signs in again after max_age'() {
    const again = await signIn({ max_age: '0' }, { maxAge: 60 });
    assert.ok(again.claims().auth_time);
  },
  async 'is told login_required without a session'() {
    const stranger = new Person({});
    const state = client.randomState();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri, scope, prompt: 'none', state, code_challenge_method: 'S256',
      code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
    });
    const grant = client.authorizationCodeGrant(config, await stranger.open(url), { expectedState: state });
    await assert.rejects(grant, { error: 'login_required' });
  },
  async 'names the person who is to be signed in'() {
    const id_token_hint = tokens.id_token;
    await signIn({ id_token_hint });
    await assert.rejects(signIn({ id_token_hint: `${id_token_hint.slice(0, -9)}forged-by` }), { error: 'login_required' });
  },
  async 'revokes a token'() {
    await client.tokenRevocation(config, tokens.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' });
  },
  async 'signs out twice'() {
    const url = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: logoutUri });
    assert.equal(await person.open(url), null);
    assert.equal((await person.submit({ allow: 'true' })).href.split('?')[0], logoutUri);
    assert.equal((await person.open(url)).href.split('?')[0], logoutUri);
  },
  'gets a token of its own by client_secret_basic': credentials(client.ClientSecretBasic(machine.secret)),
  'gets a token of its own by client_secret_post': credentials(client.ClientSecretPost(machine.secret)),
  async 'connects a device whose code is typed in lower case'() {
    const found = await client.discovery(new URL(issuer), device, undefined, client.None(), options);
    const codes = await client.initiateDeviceAuthorization(found, { scope: 'orders:read' });
    await person.open(codes.verification_uri);
    await person.submit(person.fields);
    await person.submit({ user_code: `${codes.user_code.slice(0, 4)}-${codes.user_code.slice(4)}`.toLowerCase() });
    await person.submit({ action: 'accept' });
    const answer = await client.pollDeviceAuthorizationGrant(found, codes);
    assert.equal(answer.scope, 'orders:read');
  },
});
