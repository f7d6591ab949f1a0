// A public client (RFC 6749 section 2.1): authorization code with PKCE, and experiments with its token.
import { draw } from "./sequence.js";

const $ = (id) => document.getElementById(id);
const config = JSON.parse($("config").textContent);
const here = `${config.issuer}/playground/`;
const secrets = new Set(); // tokens and codes: the page shows their first characters only
class Problem extends Error {}
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
const stored = (name) => JSON.parse(sessionStorage.getItem(name) ?? "null");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const shorten = (text) => [...secrets].reduce((shown, secret) => shown.replaceAll(secret, `${secret.slice(0, 6)}…`), text);
let session = stored("session"); // a grant, and its access token
let steps = [], explained = null; // the step whose answer is explained
const currentApi = () => config.apis.find((api) => api.name === $("api").value);
const currentOperation = () => currentApi()?.operations?.[$("operation").value];

// ---- Tokens ------------------------------------------------------------------------------------------
function keep(value) {
  session = value;
  sessionStorage.setItem("session", JSON.stringify(session));
  $("sign-in").hidden = Boolean(session);
  $("token").hidden = !session;
  if (!session) return;
  [session.access, session.refresh].forEach((token) => secrets.add(token));
  $("start").textContent = shorten(session.access);
  $("scopes").replaceChildren(...session.scope.split(" ").map((scope) => make("li", "", scope)));
  showLifetime();
}

function showLifetime() {
  const seconds = Math.round(((session?.expires ?? 0) - Date.now()) / 1000);
  $("lifetime").textContent = seconds > 0 ? `good for ${seconds} s` : "expired";
}

async function signIn(isPopUp) {
  // Opened in the handler of the click: browsers block any other pop-up.
  const opened = isPopUp ? window.open("about:blank", "sign-in", "popup,width=560,height=760") : null;
  const [verifier, state] = [random(), random()];
  sessionStorage.setItem("pending", JSON.stringify({ verifier, state }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const scopes = [...document.querySelectorAll("[name=scope]:checked")].map((box) => box.value);
  const parameters = new URLSearchParams({
    client_id: config.client_id, response_type: "code", redirect_uri: here, scope: scopes.join(" "), state,
    code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256",
  });
  (opened ?? window).location = `${config.authorize}?${parameters}`;
}

// Take the authorization response (RFC 6749 section 4.1.2), with the issuer of RFC 9207.
async function finish(parameters) {
  const pending = stored("pending"), code = parameters.get("code"), error = parameters.get("error");
  sessionStorage.removeItem("pending");
  begin("Sign-in");
  steps.push({
    to: "server", method: "GET", path: config.authorize, sent: "sign-in and consent", answer: error ?? "code",
    kind: code ? "good" : "bad", note: "its pages, and a redirect that carries the answer",
  });
  if (!pending || parameters.get("state") !== pending.state || parameters.get("iss") !== config.issuer) {
    throw new Problem("This answer does not belong to a request of this page, and was not used.");
  }
  if (!code) throw new Problem(`The authorization server answered ${error}, so there is no token.`);
  secrets.add(code).add(pending.verifier);
  const form = { grant_type: "authorization_code", code, code_verifier: pending.verifier, redirect_uri: here };
  explain(await requestToken(form, "code and verifier"), "The page alone can use this code: it knows the verifier (PKCE).");
}

async function requestToken(form, sent, path = config.token) {
  const step = await post(path, form, sent);
  if (step.status === 400) keep(null);
  if (step.status !== 200) throw new Problem("The authorization server gave no token. Sign in again.");
  const { access_token: access, refresh_token: refresh, id_token: id, scope, expires_in: seconds } = JSON.parse(step.body);
  secrets.add(id ?? access);
  keep({ access, refresh, scope, granted: form.code ? scope : session.granted, expires: Date.now() + 1000 * seconds });
  step.answer = "200, a token";
  render();
  return step;
}

// Get a new token with `scope`, which ends the one before (RFC 6749 section 6).
function renew(scope, path) {
  const sent = scope === session.granted ? "refresh token" : "refresh token, fewer scopes";
  return requestToken({ grant_type: "refresh_token", refresh_token: session.refresh, scope }, sent, path);
}

// Return an access token with every scope that was granted.
async function usable() {
  if (session.scope !== session.granted || session.expires - 5000 < Date.now()) await renew(session.granted);
  return session.access;
}

// Revoke the refresh token, which ends the access token as well.
function revoke() {
  const form = { token: session.refresh, token_type_hint: "refresh_token" };
  keep(null);
  return post(config.revoke, form, "revoke");
}

// ---- Requests ----------------------------------------------------------------------------------------
const post = (path, form, sent, options = {}) => exchange("server", config.issuer, path,
  { method: "POST", body: new URLSearchParams({ client_id: config.client_id, ...form }), ...options }, sent);

function call({ method, path, body }, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  return exchange("api", currentApi().url, path, { method, headers, body }, `${method} ${path}`);
}

async function exchange(to, origin, path, options, sent) {
  const step = { to, origin, path, sent, method: options.method, headers: options.headers ?? {}, content: options.body ?? "" };
  steps.push(step);
  render();
  const start = performance.now();
  const response = await fetch(origin + path, { cache: "no-store", credentials: "omit", ...options }).catch(() => Response.error());
  Object.assign(step, { body: await response.text(), status: response.status, fields: [...response.headers] });
  step.ms = Math.round(performance.now() - start);
  judge(step);
  render();
  return step;
}

const field = (step, name) => step.fields.find(([key]) => key === name)?.[1] ?? "";
const attribute = (step, name) => field(step, "www-authenticate").match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? "";

// Set what is drawn. An API says by Server-Timing whether it has asked (service_kit.timing).
function judge(step) {
  const wait = field(step, "retry-after"), timing = field(step, "server-timing");
  const detail = attribute(step, "error") || (wait && `Retry-After: ${wait}`);
  step.answer = step.status ? `${step.status} ${detail}`.trim() : "no answer";
  step.kind = step.status >= 500 || !step.status ? "wait" : step.status >= 400 ? "bad" : "good";
  step.inside = Math.round(timing.match(/total;dur=([\d.]+)/)?.[1]);
  step.source = timing.match(/\b(introspection|cache)\b/)?.[0] ?? "";
  [step.verdict, step.verdictKind] = { 401: ["inactive", "bad"], 503: ["no answer", "wait"] }[step.status] ?? ["active", "good"];
}

// ---- Operations, from the OpenAPI document of the API ------------------------------------------------
async function operationsOf(api) {
  const response = await fetch(`${api.url}/api/schema/`, { headers: { Accept: "application/json" } });
  const { paths, components } = await response.json();
  return Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => {
    const schema = operation.requestBody?.content["application/json"]?.schema, ways = operation.security ?? [];
    return {
      path, method: method.toUpperCase(), about: operation.summary ?? operation.description ?? "",
      isOpen: !ways.length, isExact: !path.includes("{"), scopes: [...new Set(ways.flatMap((way) => Object.values(way).flat()))],
      body: schema && JSON.stringify(exampleOf(schema, components.schemas), null, 2),
    };
  }));
}

function exampleOf(schema, schemas) {
  const found = schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
  if (found.properties) {
    const writable = Object.entries(found.properties).filter(([, property]) => !property.readOnly);
    return Object.fromEntries(writable.map(([name, property]) => [name, exampleOf(property, schemas)]));
  }
  const text = found.format ? new Date().toISOString() : `Example ${Math.floor(1000 * Math.random())}`;
  const examples = { integer: 1, number: 1, boolean: true, array: [], object: {} };
  return found.example ?? found.default ?? found.enum?.[0] ?? examples[found.type] ?? text;
}

// Return the first operation that any token opens, else the first that needs a token.
function anyOperation() {
  const closed = currentApi().operations.filter((one) => one.isExact && !one.isOpen);
  const found = closed.find((one) => !one.scopes.length) ?? closed.find((one) => one.method === "GET") ?? closed[0];
  if (!found) throw new Problem(`${currentApi().title} does not answer, or has no operation that needs a token.`);
  return found;
}

async function chooseApi() {
  const api = currentApi();
  if (!api) throw new Problem("No resource server has an address: set its URL in .env, and start again.");
  api.operations = await operationsOf(api).catch(() => []);
  $("operation").replaceChildren(...api.operations.map((one, index) => new Option(`${one.method} ${one.path}`, index)));
  $("operation").value = Math.max(0, api.operations.findIndex((one) => !one.isOpen && !one.scopes.length));
  chooseOperation();
}

function chooseOperation() {
  const operation = currentOperation();
  const needs = operation?.isOpen ? "no token" : operation?.scopes.join(", ") || "any token of this API";
  $("about").textContent = operation ? `${operation.about.split("\n")[0]} Needs ${needs}.` : `${currentApi().title} does not answer.`;
  $("with-path").hidden = !operation || operation.isExact;
  $("path").value = operation?.path.replace(/\{.*?\}/g, "1") ?? "";
  $("with-body").hidden = !operation?.body;
  $("body").value = operation?.body ?? "";
}

async function send() {
  const operation = currentOperation();
  begin(operation ? `${operation.method} ${operation.path}` : "Request");
  if (!operation) throw new Problem($("about").textContent);
  const token = session && await usable();
  explain(await call({ ...operation, path: $("path").value, body: operation.body && $("body").value }, token));
}

// ---- Experiments -------------------------------------------------------------------------------------
const experiments = {
  signOut: async () => explain(await revoke(), "Revoking the refresh token has ended the access token too."),
  none: async () => explain(await call(anyOperation())),
  malformed: async () => explain(await call(anyOperation(), "two words"), "After Bearer comes one token."),
  async good() {
    await renew(session.granted);
    await call(anyOperation(), session.access);
    explain(await call(anyOperation(), session.access), "The first request needed an introspection, the second did not.");
  },
  async garbage() {
    const token = random();
    await call(anyOperation(), token);
    explain(await call(anyOperation(), token), "This token does not exist. The API remembers that for 5 seconds.");
  },
  async expired() {
    await renew(session.granted, config.short_lived);
    const { access, expires } = session;
    await call(anyOperation(), access);
    await pause((expires - Date.now()) / 1000 + 1, "until the token has expired");
    explain(await call(anyOperation(), access), "This token lived for 2 seconds, and no cached answer outlives its token.");
  },
  async revoked() {
    const token = await usable();
    await call(anyOperation(), token);
    await revoke();
    const start = performance.now();
    let step = await call(anyOperation(), token);
    for (; step.status === 200 && performance.now() < start + 15000; step = await call(anyOperation(), token)) await sleep(0.2);
    const seconds = ((performance.now() - start) / 1000).toFixed(2);
    explain(step, `Revoking the refresh token ended the access token too. The API got a report of that, and refused it ${seconds} s later. Sign in again to try more.`);
  },
  async scope() {
    const { scopes, operations, title } = currentApi(), held = session.granted.split(" ");
    const rest = (one) => held.filter((scope) => !one.scopes.includes(scope));
    const fits = (one) => one.isExact && one.scopes.length && rest(one).some((scope) => scope in scopes);
    const operation = operations.findLast(fits);
    if (!operation) throw new Problem(`Sign in with two scopes of ${title}, or with one that is not enough for every operation.`);
    await renew(rest(operation).join(" "));
    explain(await call(operation, session.access));
  },
  async audience() {
    const { scopes, title } = currentApi(), others = session.granted.split(" ").filter((scope) => !(scope in scopes));
    if (!others.length) throw new Problem("Sign in with a scope of another API, or with openid.");
    await renew(others.join(" "));
    explain(await call(anyOperation(), session.access), `This token is good, but has no scope of ${title}: here it is inactive.`);
  },
  async outage() {
    const token = await usable();
    await call(anyOperation(), token);
    const options = { headers: { "X-CSRFToken": $("csrf").firstElementChild.value }, credentials: "same-origin" };
    const began = await post(config.outage, {}, "be silent to APIs", options);
    if (began.status !== 200) throw new Problem("The outage did not begin. Reload the page.");
    await call(anyOperation(), token);
    await renew(session.granted);
    const refused = await call(anyOperation(), session.access);
    await pause(Number(field(refused, "retry-after")) || 5, "as Retry-After says");
    await call(anyOperation(), session.access);
    explain(refused, "A token that the API knew stayed good. A new one could not be checked.");
  },
};

function pause(seconds, reason) {
  steps.push({ pause: `${Math.round(seconds)} s pass, ${reason}` });
  render();
  return sleep(seconds);
}

// Why the API answered so: its contract, which the README of the project has as a table.
function reasonOf(step) {
  if (!step.status) return "There was no answer: is the service running?";
  if (step.to === "server") return "";
  const error = attribute(step, "error"), hasAsked = step.source === "introspection";
  if (error === "invalid_request") return "The header is malformed, so the API did not look for a token.";
  if (step.status === 401 && !error) return "There was no token, so the challenge names no error, only the way to get one (RFC 9728).";
  if (step.status === 401) return "To the API it is the same whether a token is unknown, expired, revoked or for another API.";
  if (step.status === 403) return `The token is good, but this operation needs ${attribute(step, "scope")}.`;
  if (step.status === 503 && !hasAsked) return "The API did not even ask, because it knows of the outage. The token may be good.";
  if (step.status === 503) return "The token may be good, so the answer is 503 and not 401: an outage is never the fault of the client.";
  if (hasAsked) return "The API did not know the token, asked, and learned that it is active.";
  if (step.source) return "The API knew the token and did not ask. It forgets it when it expires or is reported as revoked.";
  return "This operation needs no token.";
}

// ---- The page ----------------------------------------------------------------------------------------
function make(name, className, ...children) {
  const made = Object.assign(document.createElement(name), { className });
  made.append(...children);
  return made;
}

function begin(title) {
  [steps, explained] = [[], null];
  $("title").replaceChildren(title);
  $("why").textContent = "Running …";
  render();
  if (matchMedia("(max-width: 60rem)").matches) $("title").scrollIntoView();
}

function explain(step, sentence = "") {
  explained = step;
  $("title").append(make("span", `status ${step.kind}`, step.answer));
  $("why").textContent = `${sentence} ${reasonOf(step)}`.trim();
  render();
}

function render() {
  draw($("diagram"), currentApi()?.title ?? "API", steps);
  $("steps").replaceChildren(...steps.filter((step) => !step.pause).map(itemOf));
}

function itemOf(step) {
  const place = step.to === "api" ? currentApi().title : "Authorization server";
  const inside = step.inside ? `, ${step.inside} ms of them in the API` : "";
  const source = step.source ? `; ${step.source}: ${step.verdict}` : "";
  const note = step.note ?? (step.fields ? `${step.ms} ms${inside}${source}` : "waiting …");
  const summary = make("summary", "", make("code", "", `${step.method} ${step.path}`),
    make("span", `status ${step.kind ?? ""}`, step.answer ?? "…"), make("span", "note", `${place}: ${note}`));
  const details = make("details", "", summary);
  details.open = step === explained;
  const lines = (pairs) => pairs.map((pair) => `\n${pair.join(": ")}`).join("");
  if (step.fields) {
    const request = `${step.method} ${step.origin}${step.path}${lines(Object.entries(step.headers))}\n\n${step.content}`;
    const answer = `${step.status || "no answer"}${lines(step.fields)}\n\n${step.body}`;
    details.append(...[request, answer].map((text) => make("pre", "", shorten(text).trim())));
  }
  return make("li", "", details);
}

// Run one action at a time, and say what went wrong.
async function run(action) {
  const controls = document.querySelectorAll(".controls :is(button, select)"), focused = document.activeElement;
  const setBusy = (isBusy) => {
    controls.forEach((control) => { control.disabled = isBusy; });
    document.querySelector(".result").ariaBusy = String(isBusy);
  };
  setBusy(true);
  try {
    await action();
  } catch (error) {
    $("why").textContent = error instanceof Problem ? error.message : `The playground failed: ${error}`;
    render();
  }
  setBusy(false);
  focused.focus({ preventScroll: true });
}

const listen = (element, type, action) => element.addEventListener(type, (event) => {
  event.preventDefault();
  run(action);
});
listen($("sign-in"), "submit", () => signIn(false));
listen($("pop-up"), "click", () => signIn(true));
listen($("request"), "submit", send);
listen($("api"), "change", chooseApi);
document.querySelectorAll("[data-experiment]").forEach((button) => listen(button, "click", () => {
  const name = button.dataset.experiment;
  begin(button.textContent);
  if (!session && !["none", "malformed", "garbage"].includes(name)) throw new Problem("Sign in first: this needs a token of yours.");
  return experiments[name]();
}));
listen($("operation"), "change", chooseOperation);
new ResizeObserver(render).observe($("diagram").parentElement);
window.addEventListener("message", ({ origin, data }) => {
  if (origin === location.origin && data?.response) run(() => finish(new URLSearchParams(data.response)));
});
setInterval(showLifetime, 1000);

const response = new URLSearchParams(location.search);
if (location.origin !== config.issuer) {
  location.replace(here); // The APIs allow this origin only.
} else if (window.opener && response.has("state")) {
  window.opener.postMessage({ response: location.search }, location.origin);
  window.close();
} else {
  keep(session);
  await run(chooseApi);
  if (response.has("state")) {
    history.replaceState(null, "", here);
    await run(() => finish(response));
  }
}
