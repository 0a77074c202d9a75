#!/usr/bin/env python3
"""Fetches some members of Python packages without the packages.

usage: wheel-members.py OUT_FOLDER PACKAGE==VERSION:PATTERN...

A wheel is a zip file, and package indexes answer requests for a range of bytes:
so the directory at its end is read, and then the members whose paths fit the
pattern (fnmatch). Each is compared with its hash in the wheel's RECORD. The
index, or the folders of wheels, are those that pip is configured with.

Exit code 77: they cannot be had here; the last line says why.
"""
import base64
import fnmatch
import glob
import hashlib
import html.parser
import io
import os
import platform
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile

TIMEOUT = 60
BLOCK = 128 << 10


class Missing(Exception):
    """What is wanted cannot be had here."""


def pip(*args):
    """Returns what pip writes, empty when it fails."""
    env = dict(os.environ, COLUMNS="1000", PIP_DISABLE_PIP_VERSION_CHECK="1")
    run = subprocess.run([sys.executable, "-m", "pip", *args], env=env, capture_output=True, text=True)
    return run.stdout if run.returncode == 0 else ""


def index():
    """Returns the index that pip is configured with: its help tells it."""
    found = re.search(r"--index-url <url>.*?\(default (\S+?)\)", pip("download", "--help"), re.DOTALL)
    if not found:
        raise Missing("needs python3 with pip")
    return found.group(1).rstrip("/")


def context():
    """Returns the certificates that pip trusts."""
    named = os.environ.get("PIP_CERT") or pip("config", "get", "global.cert").strip()
    return ssl.create_default_context(cafile=named or None)


def request(url, headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT, context=CONTEXT)
    except (OSError, ValueError) as e:
        raise Missing("needs a package index, or a folder of wheels by PIP_FIND_LINKS: %s" % e) from e


class Links(html.parser.HTMLParser):
    """The links of a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found += [v for k, v in attrs if k == "href" and v]


class Remote(io.RawIOBase):
    """A file at a URL, read by ranges."""

    def __init__(self, url):
        super().__init__()
        self.url, self.at = url, 0
        with request(url, {"Range": "bytes=0-0", "Accept-Encoding": "identity"}) as r:
            total = re.fullmatch(r"bytes 0-0/(\d+)", r.headers.get("Content-Range", ""))
            if r.status != 206 or not total:
                raise Missing("needs a package index that answers requests for a range of bytes")
        self.size, self.read_bytes = int(total.group(1)), 0

    def seekable(self):
        return True

    def readable(self):
        return True

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self):
        return self.at

    def readinto(self, b):
        n = min(len(b), self.size - self.at)
        if n <= 0:
            return 0
        with request(self.url, {"Range": "bytes=%d-%d" % (self.at, self.at + n - 1), "Accept-Encoding": "identity"}) as r:
            data = r.read(n)
            if r.status != 206 or len(data) != n or not r.headers.get("Content-Range", "").startswith("bytes %d-" % self.at):
                raise Missing("needs a package index that answers requests for a range of bytes")
        b[:n] = data
        self.at += n
        self.read_bytes += n
        return n


def wheels(name, version, names):
    """Returns the names that are wheels of a version, those for this machine first."""
    want = re.sub(r"[-_.]+", "_", name) + "-" + version + "-"
    fit = [n for n in names if os.path.basename(urllib.parse.urlsplit(n).path).startswith(want) and urllib.parse.urlsplit(n).path.endswith(".whl")]
    return sorted(fit, key=lambda n: (platform.machine() not in n or "manylinux" not in n, n))


def opened(package):
    """Returns the wheel of a package as a file."""
    name, version = package.split("==")
    for folder in os.environ.get("PIP_FIND_LINKS", "").split():
        for file in wheels(name, version, glob.glob(os.path.join(glob.escape(folder), "*.whl"))):
            return open(file, "rb")
    page = INDEX + "/" + re.sub(r"[-_.]+", "-", name).lower() + "/"
    links = Links()
    with request(page, {"Accept": "text/html"}) as r:
        links.feed(r.read().decode("utf-8", "replace"))
        page = r.geturl()
    for link in wheels(name, version, links.found):
        return io.BufferedReader(Remote(urllib.parse.urljoin(page, link)), BLOCK)
    raise Missing("needs a package index that has " + package)


def record(wheel):
    """Returns the hashes of RECORD by path."""
    hashes = {}
    for n in wheel.namelist():
        if re.fullmatch(r"[^/]+\.dist-info/RECORD", n):
            for line in wheel.read(n).decode().splitlines():
                path, digest, _ = line.rsplit(",", 2)
                hashes[path.strip('"')] = digest
    return hashes


def fetch(package, pattern, out):
    with opened(package) as file, zipfile.ZipFile(file) as wheel:
        hashes = record(wheel)
        members = [n for n in wheel.namelist() if fnmatch.fnmatch(n, pattern)]
        if not members:
            raise Missing("%s has no %s" % (package, pattern))
        for n in members:
            data = wheel.read(n)
            digest = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            if hashes.get(n) != digest:
                sys.exit("%s: %s has not the hash of its RECORD" % (package, n))
            if n.startswith("/") or ".." in n.split("/"):
                sys.exit("%s: a member named %s" % (package, n))
            to = os.path.join(out, n)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            with open(to, "wb") as f:
                f.write(data)
        raw = getattr(file, "raw", None)
        sys.stderr.write("%s: %d members, %d KB read\n" % (package, len(members), getattr(raw, "read_bytes", 0) >> 10))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        INDEX, CONTEXT = index(), context()
        for argument in sys.argv[2:]:
            fetch(*argument.split(":", 1), sys.argv[1])
    except Missing as e:
        print(e)
        sys.exit(77)
