"""The servers under test, each in a fresh folder of its own. Every start_* returns a Server that listens."""

import filecmp
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from .programs import Failed, Missing, Server, free_port

here = os.path.dirname(os.path.abspath(__file__))
bench_folder = os.path.dirname(here)
cache_folder = os.path.join(bench_folder, ".cache")
peers_python = os.path.join(bench_folder, "peers", "python")
client_python = os.path.join(os.path.dirname(bench_folder), "clients", "python", "src")


def need(program, package):
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if not path:
        raise Missing(f"{program} is not installed (apt-get install {package})")
    return path


class Machine:
    """Where the programs and the folders are. Folders live on the disk under test and are deleted with it."""

    def __init__(self, bin_folder, deferd, work_folder=None):
        self.bin = bin_folder
        self.deferd = deferd
        parent = work_folder or cache_folder
        os.makedirs(parent, exist_ok=True)
        self.work = tempfile.mkdtemp(prefix="run-", dir=parent)

    def folder(self, name):
        return tempfile.mkdtemp(prefix=name + "-", dir=self.work)

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def program(self, name):
        path = os.path.join(self.bin, name)
        if not os.path.exists(path):
            raise Missing(f"{path} is not built (./dev build)")
        return path

    def start_nginx(self, answer_bytes=0):
        nginx = need("nginx", "nginx-light")
        folder, port = self.folder("nginx"), free_port()
        answer = f" {'x' * answer_bytes}" if answer_bytes else ""
        with open(os.path.join(folder, "nginx.conf"), "w") as conf:
            conf.write(f"""
                daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
                {"user root;" if os.geteuid() == 0 else ""}
                events {{ worker_connections 1024; }}
                http {{
                  access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
                  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
                  scgi_temp_path {folder}/scgi;
                  server {{ listen 127.0.0.1:{port}; location / {{ return 200{answer}; }} }}
                }}""")
        server = Server([nginx, "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"], folder, port)
        server.wait_for_port()
        return server

    def start_redis(self):
        """AOF, fsync before each answer. No rewrite of the log and no snapshot meanwhile, which would cost it time."""
        redis = need("redis-server", "redis-server")
        folder, port = self.folder("redis"), free_port()
        server = Server([redis, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "",
                         "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"],
                        folder, port)
        server.wait_for_port()
        return server

    def start_beanstalkd(self, durable):
        beanstalkd = need("beanstalkd", "beanstalkd")
        folder, port = self.folder("beanstalkd"), free_port()
        command = [beanstalkd, "-l", "127.0.0.1", "-p", str(port)]
        if durable:
            command += ["-b", folder, "-f", "0"]
        server = Server(command, folder, port)
        server.wait_for_port()
        return server

    def start_echo(self):
        """gRPC without anything behind it."""
        port = free_port()
        server = Server([self.program("deferd_bench_echo"), str(port)], self.folder("echo"), port)
        server.wait_for_port()
        return server

    def start_sink(self):
        port = free_port()
        server = Server([self.program("deferd_bench_sink"), str(port)], self.folder("sink"), port)
        server.wait_for_port()
        return server

    def start_deferd(self, data=None, program=None):
        """`program`: another server of the same settings and doors than deferd itself."""
        deferd = self.program(program) if program else self.deferd
        if not os.path.exists(deferd):
            raise Missing(f"{deferd} is not built (./dev build)")
        folder, port = self.folder("deferd"), free_port()
        data = data or os.path.join(folder, "data")
        server = Server([deferd, "--data", data, "--listen", f"127.0.0.1:{port}"], folder, port)
        server.data = data
        server.wait_for_port(seconds=300)
        wait_until(lambda: is_ready(server), "deferd to be ready")
        return server

    def python(self):
        """A Python with what peers/python needs: outside what git tracks, installed once."""
        folder, wanted = os.path.join(cache_folder, "python"), os.path.join(peers_python, "requirements.txt")
        python, made = os.path.join(folder, "bin", "python"), os.path.join(folder, "requirements.txt")
        if os.path.exists(made) and filecmp.cmp(wanted, made, shallow=False):
            return python
        shutil.rmtree(folder, ignore_errors=True)
        for command in ([sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "--quiet", "-r", wanted]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise Missing("Python's packages of the peers could not be installed: " + done.stderr.strip()[-300:])
        shutil.copy(wanted, made)
        return python

    def start_program(self, name, command, environment=None):
        """A program that serves no port: a worker."""
        return Server(command, self.folder(name), environment=environment)

    def bullmq(self):
        """The folder from which bullmq.mjs runs: outside what git tracks, installed once."""
        need("node", "nodejs")
        npm = need("npm", "npm")
        folder = os.path.join(cache_folder, "bullmq")
        os.makedirs(folder, exist_ok=True)
        for name in ("package.json", "bullmq.mjs"):
            shutil.copy(os.path.join(bench_folder, "peers", name), folder)
        if not os.path.exists(os.path.join(folder, "node_modules", "bullmq")):
            done = subprocess.run([npm, "install", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True)
            if done.returncode != 0:
                shutil.rmtree(os.path.join(folder, "node_modules"), ignore_errors=True)
                raise Missing("npm install bullmq did not succeed: " + done.stderr.strip()[-300:])
        return folder


def redis_command(server, *parts):
    """One command whose answer fits into a packet."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        text = f"*{len(parts)}\r\n" + "".join(f"${len(part)}\r\n{part}\r\n" for part in parts)
        connection.sendall(text.encode())
        answer = connection.recv(4096).decode()
    if answer.startswith("-"):
        raise Failed(f"redis: {answer.strip()}")
    return answer


def call(server, method, path, body=None, timeout=60):
    """One HTTP call to deferd or the sink; the decoded answer. A status of 400 and more fails."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status >= 400:
        raise Failed(f"{method} {path}: {answer.status} {text[:300]}")
    return json.loads(text) if text else {}


def is_ready(deferd):
    if deferd.process.poll() is not None:
        deferd.fail("ended while it started")
    try:
        call(deferd, "GET", "/readyz")
        return True
    except Failed:
        return False


def wait_until(condition, what, seconds=300, pause=0.002):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(pause)
