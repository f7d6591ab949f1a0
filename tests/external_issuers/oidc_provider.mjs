// `oidc-provider` as a third-party authorization server: opaque and JWT access tokens; SIGUSR2 rotates its keys.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const clients = JSON.parse(process.argv[3]);
const issuer = `http://127.0.0.1:${port}`;
// The format of the access tokens of each resource indicator (RFC 8707).
const resources = {
  'https://orders.example.com': 'jwt', 'https://inventory.example.com': 'jwt',
  'urn:orders:opaque': 'opaque', 'urn:inventory:opaque': 'opaque',
};

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

// The first key signs; the others are only published.
function provider(keys) {
  return new Provider(issuer, {
    clients: clients.map((client) => ({
      grant_types: ['client_credentials'], redirect_uris: [], response_types: [], ...client,
    })),
    jwks: { keys },
    scopes: ['orders:read', 'orders:write', 'inventory:read', 'inventory:write'],
    ttl: { ClientCredentials: 3600 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'orders:read orders:write inventory:read inventory:write',
          audience: resource,
          accessTokenFormat: resources[resource],
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  }).callback();
}

let keys = [newKey()];
let callback = provider(keys);
process.on('SIGUSR2', () => {
  keys = [newKey(), ...keys].slice(0, 2);
  callback = provider(keys);
});
createServer((request, response) => callback(request, response)).listen(port, '127.0.0.1');
