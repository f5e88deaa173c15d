"""Push gateways for one server: APNs, FCM with Google's tokens, and a push service of Web Push, on one port over TLS, by HTTP/2.

    push_gateways.py FOLDER

Makes the keys that the server needs in FOLDER, prints `ready PORT`, and writes what it takes to FOLDER/received, a line each: the account,
the record `push` in hexadecimal, the body. Nothing is taken that is not signed, addressed and sealed as the gateways' own documents say.

Its clock is two hours ahead of this machine's, or so many seconds as AHEAD says. With CERTIFICATE set it is APNs alone, and takes pushes
from those who show a certificate of its authority, FOLDER/client.crt. A push token is an account key; a number of three digits in front of it (behind `d0` for
APNs, before `:` for FCM, as a folder for Web Push) is the status that is answered instead, and 999 is 503 as long as FOLDER/hold exists.
998 is no answer for so long (APNs), which is written to FOLDER/hanging; 211 is an answer longer than anybody reads, 212 one that never ends
(Web Push).
"""

import asyncio
import base64
import datetime
import email.utils
import ipaddress
import json
import os
import re
import socket
import ssl
import sys
import time
import urllib.parse

import http_ece
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypercorn.asyncio import serve
from hypercorn.config import Config

AHEAD = int(os.environ.get("AHEAD", 2 * 3600))
# Who pushes is known by its certificate, which TLS has seen.
BY_CERTIFICATE = "CERTIFICATE" in os.environ
BUNDLE = "org.example.chat"
KEY_ID, TEAM_ID = "ABCDE12345", "TEAM567890"
ACCOUNT = "pusher@example.iam.gserviceaccount.com"
PROJECT = "example-1"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
SUBJECT = "mailto:admin@example.org"
folder = sys.argv[1]
# Tokens that FCM has given out, with the number of pushes that each is good for: the second one is asked for soon.
granted = {}
clock_is_known = not BY_CERTIFICATE
seen = {}


def now():
    return time.time() + AHEAD


def path(name):
    return os.path.join(folder, name)


def secret(name, data):
    with open(os.open(path(name), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(data)


def pem(key):
    no = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no)


def certify():
    """An authority, a certificate for this machine, one for whom APNs knows by it, and one of nobody."""
    root, own, client, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)

    def certificate(subject, key, signer, issuer, extension):
        name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=30))
        return builder.add_extension(extension, critical=True).sign(signer, hashes.SHA256())

    authority = certificate("root", root, root, "root", x509.BasicConstraints(ca=True, path_length=None))
    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = certificate("gateway", own, root, "root", x509.SubjectAlternativeName(here))
    app = x509.SubjectAlternativeName([x509.DNSName(BUNDLE)])
    bytes_of = lambda one: one.public_bytes(serialization.Encoding.PEM)
    secret("root.crt", bytes_of(authority))
    secret("tls.crt", bytes_of(leaf))
    secret("tls.key", pem(own))
    secret("client.crt", bytes_of(certificate(BUNDLE, client, root, "root", app)))
    secret("client.key", pem(client))
    secret("other.crt", bytes_of(certificate(BUNDLE, other, other, BUNDLE, app)))
    secret("other.key", pem(other))


def text(value):
    return b"m" + len(value).to_bytes(4, "big") + value.encode()


def record(model, kind, title, alert, badge, sound):
    """The record `push` as an Erlang node writes it."""
    atom = b"w\x04push"
    count = b"a" + bytes([badge])
    return b"\x83h\x07" + atom + model[1:] + text(kind) + text(title) + text(alert) + count + text(sound)


def take(account, push, body):
    with open(path("received"), "ab") as file:
        file.write(f"{account} {push.hex()} ".encode() + body + b"\n")


def answer_for(code, name):
    """The status that the token asks for; `once` it is 503."""
    if code == 999:
        return 503 if os.path.exists(path("hold")) else 200
    if code == 998:
        return 200
    seen[name] = seen.get(name, 0) + 1
    return 200 if code == 503 and seen[name] > 1 else code


def provider(headers):
    """Who pushes, by a token; what is wrong with it."""
    token = headers["authorization"].removeprefix("bearer ")
    head, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert head == {"alg": "ES256", "typ": "JWT", "kid": KEY_ID}, head
    try:
        jwt.decode(token, keys["apns"].public_key(), ["ES256"], options={"verify_iat": False, "verify_signature": True})
    except jwt.InvalidSignatureError:
        return "InvalidProviderToken"
    assert set(claims) == {"iss", "iat"} and claims["iss"] == TEAM_ID, claims
    if not -300 <= now() - claims["iat"] <= 3600:
        return "ExpiredProviderToken"
    return None


def apns(headers, account, code, body):
    if BY_CERTIFICATE:
        assert "authorization" not in headers, headers
    elif wrong := provider(headers):
        return 403, {"reason": wrong}
    aps = json.loads(body)["aps"]
    assert list(aps) == ["alert", "badge", "sound", "mutable-content", "synrc"], aps
    synrc = aps["synrc"]
    calling = synrc["type"] == "calling"
    assert headers["apns-topic"] == BUNDLE + (".voip" if calling else ""), headers
    assert headers["apns-push-type"] == ("voip" if calling else "alert"), headers
    assert headers["apns-priority"] == "10" and re.fullmatch(r"[0-9a-f-]{36}", headers["apns-id"]), headers
    # In its own time: a call's is over in a minute. Whoever shows no token learns the time by the first answer.
    left = int(headers["apns-expiration"]) - now()
    assert not clock_is_known or 0 < left <= (90 if calling else 86430), (left, headers)
    assert len(body) <= 4096 and len(headers["apns-collapse-id"]) <= 64
    status = answer_for(code, account)
    if status == 200:
        model = b"\x83" + text(synrc["model"]) if calling else base64.b64decode(synrc["model"])
        take(account, record(model, synrc["type"], synrc["title"], aps["alert"], aps["badge"], aps["sound"]), body)
    reasons = {400: "BadDeviceToken", 410: "Unregistered", 413: "PayloadTooLarge", 429: "TooManyRequests"}
    return status, {"reason": reasons.get(status, "InternalServerError")} if status != 200 else {}


def grant(body):
    """RFC 7523."""
    form = urllib.parse.parse_qs(body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"], form
    (token,) = form["assertion"]
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    no = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, keys["fcm"].public_key(), ["RS256"], options=no, audience=f"https://localhost:{port}/token")
    assert claims["iss"] == ACCOUNT and claims["scope"] == SCOPE, claims
    if not claims["iat"] - 60 <= now() < claims["exp"] <= claims["iat"] + 3600:
        return 400, {"error": "invalid_grant", "error_description": "Token must be a short-lived token"}
    access = f"ya29.{len(granted)}"
    granted[access] = 2 if not granted else 1_000_000
    return 200, {"access_token": access, "expires_in": 3599, "token_type": "Bearer"}


def fcm(headers, body):
    access = headers["authorization"].removeprefix("Bearer ")
    if granted.get(access, 0) == 0:
        return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
    granted[access] -= 1
    message = json.loads(body)["message"]
    assert list(message) == ["token", "android", "data"] and message["android"].keys() == {"priority", "ttl"}, message
    assert list(message["data"]) == ["type", "push"], message
    code, _, account = message["token"].rpartition(":")
    status = answer_for(int(code or 200), account)
    if status == 200:
        shown = body.replace(json.dumps(message["token"]).encode(), b'"(token)"')
        take(account, base64.b64decode(message["data"]["push"]), shown)
        return 200, {"name": f"projects/{PROJECT}/messages/1"}
    codes = {404: "UNREGISTERED", 429: "QUOTA_EXCEEDED", 503: "UNAVAILABLE", 403: "SENDER_ID_MISMATCH"}
    error = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": codes.get(status, "INTERNAL")}
    return status, {"error": {"code": status, "status": "NOT_FOUND", "details": [error]}}


def web(headers, account, code, body):
    """RFC 8030, 8188, 8291, 8292."""
    token, key = re.fullmatch(r"vapid t=([^,]+), k=([A-Za-z0-9_-]+)", headers["authorization"]).groups()
    raw = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    signer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    claims = jwt.decode(token, signer, ["ES256"], options={"verify_exp": False}, audience=f"https://localhost:{port}")
    assert now() < claims["exp"] <= now() + 86400 and claims["sub"] == SUBJECT, claims
    assert headers["content-encoding"] == "aes128gcm" and 0 < int(headers["ttl"]) <= 86400, headers
    assert headers["urgency"] == "high" and re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers["topic"]), headers
    plain = http_ece.decrypt(body, private_key=keys["web"], auth_secret=auth, version="aes128gcm")
    status = answer_for(code, account)
    if status in (200, 211, 212):
        take(account, base64.b64decode(json.loads(plain)["push"]), plain)
        return 201, {211: "x" * 100_000, 212: "endless"}.get(code)
    return status, None


def judge(method, target, headers, body):
    assert method == "POST", method
    if target == "/token":
        return grant(body)
    if target == f"/v1/projects/{PROJECT}/messages:send":
        return fcm(headers, body)
    if found := re.fullmatch(r"/3/device/d0(\d{3})(\d+)", target):
        global clock_is_known
        answer = apns(headers, found[2], int(found[1]), body)
        clock_is_known = True
        return answer
    assert not BY_CERTIFICATE, target
    if found := re.fullmatch(r"/web/(\d{3})/(\d+)", target):
        return web(headers, found[2], int(found[1]), body)
    raise AssertionError(target)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    if scope["path"].startswith("/3/device/d0998"):
        secret("hanging", b"")
        while os.path.exists(path("hold")):
            try:
                # Who waits has given up.
                await asyncio.wait_for(receive(), 0.05)
                return
            except asyncio.TimeoutError:
                pass
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    try:
        status, said = judge(scope["method"], scope["path"], headers, body)
    except Exception as why:
        print(f"REFUSED {scope['path']}: {why!r}", file=sys.stderr, flush=True)
        status, said = 400, {"reason": "Broken"}
    more = [(b"date", email.utils.formatdate(now(), usegmt=True).encode())]
    if status in (429, 503):
        more.append((b"retry-after", b"1"))
    if status in (301, 307):
        more.append((b"location", f"https://localhost:{port}/elsewhere".encode()))
    await send({"type": "http.response.start", "status": status, "headers": more})
    if said == "endless":
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await receive()
        return
    await send({"type": "http.response.body", "body": b"" if said is None else json.dumps(said).encode()})


keys = {"apns": ec.generate_private_key(ec.SECP256R1()), "web": ec.generate_private_key(ec.SECP256R1())}
keys["fcm"] = rsa.generate_private_key(65537, 2048)
auth = os.urandom(16)
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
certify()
secret("AuthKey.p8", pem(keys["apns"]))
secret("OtherKey.p8", pem(ec.generate_private_key(ec.SECP256R1())))
account = {
    "type": "service_account",
    "project_id": PROJECT,
    "private_key_id": "key-1",
    "private_key": pem(keys["fcm"]).decode(),
    "client_email": ACCOUNT,
    "token_uri": f"https://localhost:{port}/token",
}
secret("account.json", json.dumps(account).encode())
point = keys["web"].public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
letters = lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")
secret("subscription", json.dumps({"p256dh": letters(point), "auth": letters(auth)}).encode())

config = Config()
config.bind = [f"fd://{listener.fileno()}"]
config.certfile, config.keyfile = path("tls.crt"), path("tls.key")
config.alpn_protocols = ["h2", "http/1.1"]
config.include_date_header = False
if BY_CERTIFICATE:
    config.ca_certs, config.verify_mode, config.verify_flags = path("root.crt"), ssl.CERT_REQUIRED, ssl.VERIFY_DEFAULT
# A connection is told to go away (GOAWAY) after so many requests.
config.keep_alive_max_requests = 5
print(f"ready {port}", flush=True)
asyncio.run(serve(app, config))
