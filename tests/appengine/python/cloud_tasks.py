"""What the SDK needs for its path to Cloud Tasks: a certificate, an account, environment variables; and a proxy that stands for the
network of a domain.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from pathlib import Path


def make_certificate(folder: Path, *names: str) -> list[str]:
    """A certificate for the names that signs itself; deferd's flags for it. `folder`/cert.pem is what clients are to trust."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                    "-subj", "/CN=deferd", "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
                    "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")], check=True, capture_output=True)
    return ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]


def environment(folder: Path, domain: str) -> dict[str, str]:
    """The variables of docs/guides/app-engine.md: the client goes to cloudtasks.`domain`, port 443 unless the domain has one."""
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA"], check=True, capture_output=True, text=True).stdout
    account = folder / f"{domain.partition(':')[0]}.json"
    account.write_text(json.dumps({
        "type": "service_account", "client_email": "app@default.iam.gserviceaccount.com", "private_key_id": "1",
        "private_key": key, "token_uri": "https://oauth2.invalid/token", "universe_domain": domain}))
    return {
        "APPENGINE_USE_CLOUDTASK_PUSH_QUEUE": "true",
        "GOOGLE_CLOUD_PROJECT": "default",
        "LOCATION_ID": "local",
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN": domain,
        "GOOGLE_APPLICATION_CREDENTIALS": str(account),
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(folder / "cert.pem"),
    }


class ConnectProxy:
    """An HTTP proxy that leads every CONNECT to one port of this machine, and keeps what was asked for in `asked`."""

    def __init__(self, port: int):
        self.asked: list[str] = []
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.asked.append(head.split(b" ")[1].decode())
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            back.start()
            self._copy(client, server)
            back.join()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
