"""Steps: what the gateway lets through, and as what."""

import http.client
import json
import socket
import ssl
import threading

from stack import need, run, wait_for

# an edge's own answer to one who does not say who he is
OF_EDGES = (
    ("GET", "/v1/orders/x"), ("POST", "/v1/channels/dibs/orders"), ("POST", "/v1/providers/stripe-demo/events"),
    ("GET", "/v1/payments/x"), ("GET", "/v1/makers/parveen/statement"), ("GET", "/v1/makers/parveen"), ("GET", "/v1/hubs/x"),
    ("PUT", "/v1/listings/x"), ("POST", "/v1/imports"), ("GET", "/v1/parcels/x"), ("GET", "/v1/parcels/x/label"),
    ("POST", "/v1/couriers/courier-a/tracking"), ("GET", "/listing/v1/exceptions"), ("GET", "/routing/v1/exceptions"),
    ("GET", "/payment/v1/exceptions"), ("GET", "/dispatch/v1/exceptions"),
)
NOT_THERE = ("/", "/readyz", "/healthz", "/metrics", "/listing/metrics", "/routing/readyz", "/v1/exceptions", "/v1/", "/v2/orders/x",
             "/routing/../metrics", "//metrics")
MIB = 1024 * 1024


def paths(stack):
    for method, path in OF_EDGES:
        status, _, text = stack.ask(method, path, {"Content-Type": "application/json"}, "{}" if method != "GET" else None)
        need(status == 401, f"{method} {path}: {status} {text}")
    for path in NOT_THERE:
        status, _, text = stack.ask("GET", path)
        need(status == 404, f"GET {path}: {status} {text}")
    # who asks is what the gateway saw, and not what the client says
    stack.ask("GET", "/v1/orders/whose", {"X-Forwarded-For": "198.51.100.1"})
    asked = [json.loads(line) for line in stack.logs(stack.containers("order-routing")[0]).splitlines() if '"message":"request"' in line]
    need(asked and all(line["client"] not in ("", "198.51.100.1") for line in asked), f"clients: {asked[-3:]}")


def raw(stack, text, answer):
    """What comes back for these bytes and nothing after them."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=40) as peer:
        peer.sendall(text)
        answer.append(peer.recv(4096).decode(errors="replace"))


def limits(stack):
    slow = []
    head = b"POST /v1/channels/dibs/orders HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    waiting = [threading.Thread(target=raw, args=(stack, text, slow)) for text in (
        head % 100 + b'{"half":', b"POST /v1/channels/dibs/orders HTTP/1.1\r\nHost:")]
    for thread in waiting:
        thread.start()
    for path, size, wanted in (("/v1/channels/dibs/orders", MIB + 1, 413), ("/v1/imports", MIB + 1, 401), ("/v1/imports", 16 * MIB + 1, 413)):
        answer = []
        raw(stack, head.replace(b"/v1/channels/dibs/orders", path.encode()) % size + (b"x" * size if wanted == 401 else b""), answer)
        need(f" {wanted} " in answer[0].split("\r\n")[0], f"{size} bytes to {path}: {answer[0][:200]}")
    for thread in waiting:
        thread.join()
    need(len(slow) == 2 and all(" 408 " in text.split("\r\n")[0] for text in slow), f"slow clients: {slow}")


def rate(stack):
    """More than its share from one address is 429; others' and its own later requests are answered."""
    ask = b"GET /v1/nothing HTTP/1.1\r\nHost: gateway\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stack.port), timeout=40) as peer:
        answers = b""
        for _ in range(stack.rate // 100 + 5):
            peer.sendall(ask * 100)
            seen = answers.count(b"HTTP/1.1 ") + 100
            while answers.count(b"HTTP/1.1 ") < seen:
                part = peer.recv(65536)
                need(part, "the gateway closed the connection")
                answers += part
    need(b"HTTP/1.1 404 " in answers and b"HTTP/1.1 429 " in answers, "no 429")
    need(b"retry-after: 2" in answers.lower(), "429 without Retry-After")
    wait_for("the gateway to hear this address again", lambda: stack.ask("GET", "/v1/orders/x")[0] == 401, 30)


# ---- TLS ----

def certificate(stack, days):
    """A new one, as an operator puts it there; when it ends, in seconds since 1970."""
    file = stack.state / "gateway" / "certificate.pem"
    new = [stack.work / "certificate.pem", stack.work / "certificate.pem.key"]
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days),
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", new[0], "-keyout", new[1])
    for part in new:
        part.replace(file.parent / part.name)
    run(stack.root / "karwan", "secrets", env=stack.env)
    ends = run("openssl", "x509", "-in", file, "-noout", "-enddate").stdout.strip().partition("=")[2]
    return file, ssl.cert_time_to_seconds(ends)


def ask_tls(stack, path, file):
    """Status and headers, from one who trusts this certificate alone; (0, {}) where that is not the one."""
    try:
        connection = http.client.HTTPSConnection("localhost", stack.port, timeout=40, context=ssl.create_default_context(cafile=file))
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers
    except (OSError, http.client.HTTPException):
        return 0, {}


def speaks(stack, *options):
    """What openssl says that it agreed on with the gateway."""
    told = run("openssl", "s_client", "-connect", f"127.0.0.1:{stack.port}", *options, check=False, stdin=-3)
    return told.stdout if told.returncode == 0 else ""


def told_by_services(stack):
    return stack.figure(stack.containers("order-routing")[0], "karwan_certificate_expires_timestamp_seconds")


def tls(stack):
    """With a certificate the port speaks TLS and nothing else; another one takes its place while it runs; without one it is as before."""
    file, ends = certificate(stack, 10)
    stack.compose("restart", "gateway")
    wait_for("TLS", lambda: ask_tls(stack, "/v1/orders/x", file)[0] == 401)
    for path, wanted in (("/v1/orders/x", 401), ("/metrics", 404)):
        status, headers = ask_tls(stack, path, file)
        need((status, headers["Strict-Transport-Security"]) == (wanted, "max-age=31536000"), f"{path}: {status} {headers}")
    for version in ("-tls1_2", "-tls1_3"):
        need("Cipher is" in speaks(stack, version), f"no {version}")
    need("DHE" not in speaks(stack, "-tls1_2", "-cipher", "AES128-SHA:ECDHE-ECDSA-AES128-SHA"), "a cipher of before")
    need(not speaks(stack, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "TLS 1.1")
    answer = []
    raw(stack, b"GET /v1/orders/x HTTP/1.1\r\nHost: gateway\r\n\r\n", answer)
    need(" 401 " not in answer[0], f"plain HTTP is answered {answer}")
    status, out, err = stack.ctl("exceptions", "list")
    need(status == 0, f"karwanctl exceptions list: {out}{err}")
    wait_for("the services to see when it ends", lambda: told_by_services(stack) == ends)
    file, ends = certificate(stack, 90)
    stack.compose("kill", "-s", "USR2", "gateway")
    wait_for("the new certificate", lambda: ask_tls(stack, "/v1/orders/x", file)[0] == 401)
    wait_for("the services to see it", lambda: told_by_services(stack) == ends)
    for part in file.parent.iterdir():
        part.unlink()
    stack.compose("restart", "gateway")
    wait_for("plain HTTP again", stack.is_open)
    wait_for("the services to see that there is none", lambda: told_by_services(stack) == 0)
