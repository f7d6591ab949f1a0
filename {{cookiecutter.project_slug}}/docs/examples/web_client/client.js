{%- set first = cookiecutter.resource_servers.split(',')[0].strip() -%}
// A public client (RFC 6749 section 2.1) in a web page: authorization code with PKCE, by oidc-client-ts.
const AUTHORIZATION_SERVER = "http://localhost:8000";
const API = "http://localhost:8001";
const here = new URL(".", location.href).href;

// The tokens are in the sessionStorage of this origin: no other tab and no other origin reads them.
const manager = new oidc.UserManager({
  authority: AUTHORIZATION_SERVER,
  client_id: "demo-browser", // declared in authorization_server/clients.toml, with the two addresses below
  redirect_uri: `${here}callback.html`,
  post_logout_redirect_uri: here,
  scope: "openid profile email {{ first }}:read {{ first }}:write",
  loadUserInfo: true,
});

// The status, the challenge of a refusal (RFC 6750 section 3), and the body.
async function call(path) {
  const user = await manager.getUser();
  const headers = user ? { Authorization: `Bearer ${user.access_token}` } : {};
  const response = await fetch(API + path, { headers });
  const challenge = response.headers.get("WWW-Authenticate") ?? "";
  return `${response.status} ${challenge}\n${await response.text()}`;
}
