// A real identity provider for the tests: one person, Ada, who agrees to everything. Takes what the test wants as JSON in its
// one argument, prints its issuer, and ends with its standard input.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const { redirect_uri, signed_out_uri, logout_uri, secret, client_key } = JSON.parse(process.argv[2]);

const jwk = (type, options, more) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  ...more,
});

const client = (client_id, more) => ({
  client_id,
  redirect_uris: [redirect_uri],
  post_logout_redirect_uris: [signed_out_uri],
  backchannel_logout_uri: logout_uri,
  backchannel_logout_session_required: true,
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  ...more,
});

let isRemoved = false;

const configuration = {
  clients: [
    client('public', { token_endpoint_auth_method: 'none' }),
    client('basic', {
      token_endpoint_auth_method: 'client_secret_basic',
      client_secret: secret,
      id_token_signed_response_alg: 'ES256',
    }),
    client('post', {
      token_endpoint_auth_method: 'client_secret_post',
      client_secret: secret,
      id_token_signed_response_alg: 'PS256',
    }),
    client('signing', {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [client_key] },
      id_token_signed_response_alg: 'EdDSA',
    }),
  ],
  jwks: {
    keys: [
      jwk('rsa', { modulusLength: 2048 }, { kid: 'rsa' }),
      jwk('ec', { namedCurve: 'P-256' }, { kid: 'ec' }),
      jwk('ed25519', {}, { kid: 'ed' }),
    ],
  },
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  cookies: { keys: ['only for tests'] },
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      logoutSource: (ctx, form) => {
        ctx.body = form;
      },
    },
  },
  findAccount: (ctx, sub) =>
    isRemoved
      ? undefined
      : {
          accountId: sub,
          claims: () => ({ sub, name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true }),
        },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: async () => true,
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
};

// Signs Ada in, and agrees for her to what is asked for.
async function interact(provider, request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const login = { login: { accountId: 'ada' } };
    return provider.interactionFinished(request, response, login, { mergeWithLastSubmission: false });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, consent, { mergeWithLastSubmission: true });
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (request.url.startsWith('/interaction/')) {
      interact(provider, request, response).catch((error) => response.writeHead(500).end(String(error)));
    } else if (request.url === '/remove-ada') {
      isRemoved = true;
      response.end();
    } else {
      answer(request, response);
    }
  });
  process.stdout.write(`${issuer}\n`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
