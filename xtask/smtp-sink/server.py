"""A mail server for the tests that keeps what it gets. Takes what the test wants as JSON in its one argument, prints its port,
and ends with its standard input.

    folder      where each mail is kept: 000001.eml as it came, and its envelope in 000001.json, which appears last
    auth        {"user", "password"} that one must know to send anything
    tls         {"certificate", "key"}, paths of PEM files, to offer STARTTLS, without which nothing is taken then;
                with "implicit": true, TLS from the first byte instead
    refuse      addresses that it takes no mail for
    delay       seconds that it thinks about each mail
"""

import asyncio
import json
import os
import ssl
import sys
import threading
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Sink:
    def __init__(self, wishes):
        self.folder = Path(wishes.get("folder", "."))
        self.refused = wishes.get("refuse", [])
        self.delay = wishes.get("delay", 0)
        self.is_encrypted = bool(wishes.get("tls"))
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return "550 5.1.1 There is nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(self.delay)
        self.count += 1
        name = f"{self.count:06}"
        kept = {
            "mail_from": envelope.mail_from,
            "rcpt_tos": envelope.rcpt_tos,
            "encrypted": self.is_encrypted,
            "user": session.auth_data.login.decode() if session.authenticated else None,
        }
        (self.folder / f"{name}.eml").write_bytes(envelope.original_content)
        unfinished = self.folder / f"{name}.part"
        unfinished.write_text(json.dumps(kept))
        unfinished.rename(self.folder / f"{name}.json")
        return "250 OK"


def authenticator(auth):
    wanted = LoginPassword(auth["user"].encode(), auth["password"].encode())

    def authenticate(server, session, envelope, mechanism, given):
        return AuthResult(success=given == wanted, auth_data=given, handled=False)

    return authenticate


def context(tls):
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(tls["certificate"], tls["key"])
    return made


async def main():
    wishes = json.loads(sys.argv[1])
    sink = Sink(wishes)
    tls, auth = wishes.get("tls"), wishes.get("auth")
    implicit = context(tls) if tls and tls.get("implicit") else None
    options = {"enable_SMTPUTF8": True, "hostname": "mail.example.com"}
    if tls and not implicit:
        options |= {"tls_context": context(tls), "require_starttls": True}
    if auth:
        options |= {"authenticator": authenticator(auth), "auth_required": True, "auth_require_tls": "tls_context" in options}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, loop=loop, **options), "127.0.0.1", 0, ssl=implicit)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whatever it is doing then.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    await server.serve_forever()


asyncio.run(main())
