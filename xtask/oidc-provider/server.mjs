// A real identity provider for the tests, with three people, Ada, Grace and Hedy, who agree to everything. Takes what the test
// wants as JSON in its one argument, prints its issuer, and ends with its standard input.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const { redirect_uris, post_logout_redirect_uris, backchannel_logout_uri, secret, client_key, ask } = JSON.parse(
  process.argv[2],
);

const people = new Map([
  ['ada', { name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true }],
  ['grace', { name: 'Grace Hopper', email: 'grace@example.com', email_verified: true }],
  ['hedy', { name: 'Hedy Lamarr', email: 'hedy@example.com', email_verified: true }],
]);

const jwk = (type, options, more) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  ...more,
});

const client = (client_id, more) => ({
  client_id,
  redirect_uris,
  post_logout_redirect_uris,
  ...(backchannel_logout_uri && { backchannel_logout_uri, backchannel_logout_session_required: true }),
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  ...more,
});

const signing = {
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
  jwks: { keys: [client_key] },
  id_token_signed_response_alg: 'EdDSA',
};

const page = (title, body) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}</html>`;

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
    ...(client_key ? [client('signing', signing)] : []),
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
      // The form is the library's, with the id that the button names.
      logoutSource: (ctx, form) => {
        const button = '<button form="op.logoutForm" name="logout" value="yes">Sign out</button>';
        ctx.body = page('Sign out?', form + button);
      },
    },
  },
  findAccount: (ctx, sub) =>
    people.has(sub) ? { accountId: sub, claims: () => ({ sub, ...people.get(sub) }) } : undefined,
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: async () => true,
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
};

const loginPage = page(
  'Sign in',
  '<form method="post"><label>Login <input name="login" required autofocus></label> <button>Sign in</button></form>',
);

// Who signs in: Ada, unless it must be asked for. Nobody yet where the answer is still to come, or names nobody.
async function whoSignsIn(request) {
  if (!ask) {
    return 'ada';
  }
  let form = '';
  for await (const piece of request) {
    form += piece;
  }
  const login = new URLSearchParams(form).get('login');
  return people.has(login) ? login : undefined;
}

// Signs somebody in, and agrees for them to what is asked for.
async function interact(provider, request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const accountId = await whoSignsIn(request);
    if (!accountId) {
      return response.writeHead(200, { 'content-type': 'text/html' }).end(loginPage);
    }
    const login = { login: { accountId } };
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
    } else if (request.url.startsWith('/remove/')) {
      people.delete(request.url.slice('/remove/'.length));
      response.end();
    } else {
      answer(request, response);
    }
  });
  process.stdout.write(`${issuer}\n`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
