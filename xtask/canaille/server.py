"""Canaille for the tests: a real identity provider with a login page of its own, and two people, Ada and Grace. Takes what
the test wants as JSON in its one argument, prints its issuer, and ends with its standard input."""

import json
import os
import sys
import threading
from datetime import datetime, timezone

# Else its library refuses plain HTTP, on loopback too.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "true"

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import ECKey, OKPKey, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

# Their user names are their passwords, too.
PEOPLE = [
    {"user_name": "ada", "given_name": "Ada", "family_name": "Lovelace"},
    {"user_name": "grace", "given_name": "Grace", "family_name": "Hopper"},
]

CLIENTS = {
    "public": {"token_endpoint_auth_method": "none"},
    "basic": {"token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "ES256"},
    "post": {"token_endpoint_auth_method": "client_secret_post", "id_token_signed_response_alg": "PS256"},
    "signing": {"token_endpoint_auth_method": "private_key_jwt", "id_token_signed_response_alg": "EdDSA"},
}


def configuration(address):
    keys = [RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")]
    for key in keys:
        key.ensure_kid()
    return {
        "SECRET_KEY": "only for tests",
        "SERVER_NAME": address,
        "PREFERRED_URL_SCHEME": "http",
        # It would look for a mail server on this machine if it were not told that there is none.
        "CANAILLE": {"DATABASE": "memory", "LANGUAGE": "en", "SMTP": None},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True) for key in keys]},
    }


def add_person(person):
    login = person["user_name"]
    name = f"{person['given_name']} {person['family_name']}"
    user = models.User(formatted_name=name, emails=[f"{login}@example.com"], password=login, **person)
    Backend.instance.save(user)


def add_client(client_id, kind, wishes):
    client_key = wishes.get("client_key")
    client = models.Client(
        client_id=client_id,
        client_name="Retinue",
        # It trusts what is on loopback, and asks nobody for consent.
        client_uri="http://127.0.0.1/",
        client_secret=wishes.get("secret") if client_id in ("basic", "post") else None,
        client_id_issued_at=datetime.now(timezone.utc),
        redirect_uris=wishes.get("redirect_uris", []),
        post_logout_redirect_uris=wishes.get("post_logout_redirect_uris", []),
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=["openid", "profile", "email", "groups"],
        jwks=json.dumps({"keys": [client_key]}) if client_key else None,
        **kind,
    )
    Backend.instance.save(client)
    client.audience = [client]
    Backend.instance.save(client)


def lock(login):
    """What an administrator does to somebody who leaves."""
    user = Backend.instance.get(models.User, user_name=login)
    user.lock_date = datetime.now(timezone.utc)
    Backend.instance.save(user)


class Handler(WSGIRequestHandler):
    def log_request(self, *_):
        """Nothing for each request: what is wrong would drown in it."""


def main():
    wishes = json.loads(sys.argv[1])
    app = None

    def answer(request, start_response):
        return app(request, start_response)

    # The port must be known before there is an application to answer on it.
    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Handler)
    address = f"127.0.0.1:{server.port}"
    app = create_app(config=configuration(address))

    @app.route("/remove/<login>")
    def remove(login):
        lock(login)
        return ""

    with app.app_context():
        for person in PEOPLE:
            add_person(person)
        for client_id, kind in CLIENTS.items():
            add_client(client_id, kind, wishes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://{address}", flush=True)
    sys.stdin.read()


main()
