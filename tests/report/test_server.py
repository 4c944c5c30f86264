import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from sfm.errors import InputError
from sfm.report.live import LivePage
from sfm.report.server import LiveServer, PageServer

from .maps import walk_map


@pytest.fixture
def served(tmp_path):
    page = tmp_path / "report.html"
    page.write_text("<p>Grüße</p>", "utf-8")
    (tmp_path / "secret.txt").write_text("secret")
    with PageServer(page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server, page
        server.shutdown()
        thread.join()


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_the_page_is_served_as_it_is_now(served):
    server, page = served
    assert get(server.url) == ("text/html; charset=utf-8", "<p>Grüße</p>")
    page.write_text("<p>new</p>")
    assert get(server.url)[1] == "<p>new</p>"


@pytest.mark.parametrize("path", ["secret.txt", "../secret.txt", "report.html", "%2e%2e/secret.txt"])
def test_nothing_else_is(served, path):
    with pytest.raises(urllib.error.HTTPError) as error:
        get(served[0].url + path)
    assert error.value.code == 404


def test_a_page_that_is_gone(served):
    served[1].unlink()
    with pytest.raises(urllib.error.HTTPError) as error:
        get(served[0].url)
    assert error.value.code == 404


def test_only_this_machine_is_listened_to(served):
    assert served[0].server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken(served):
    with pytest.raises(InputError, match=r"Port \d+ cannot be used"):
        PageServer(served[1], served[0].server_address[1])


def test_a_run_under_way_is_served_with_its_state(tmp_path):
    page = LivePage("A walk")
    page.show(walk_map(3, 40))
    with LiveServer(page) as server, server.running():
        kind, html = get(server.url)
        assert kind == "text/html; charset=utf-8"
        assert "A walk" in html
        for query, comes in (("", True), ("?seen=0", True), ("?seen=1", False), ("?seen=x", True)):
            kind, state = get(f"{server.url}state{query}")
            assert kind == "application/json"
            assert ("scene" in json.loads(state)) == comes
        with pytest.raises(urllib.error.HTTPError):
            get(f"{server.url}report.html")
        page.finish(tmp_path / "gone.html")
        with pytest.raises(urllib.error.HTTPError):
            get(server.url)
    with pytest.raises(urllib.error.URLError):
        get(server.url)


def answer_to(server, *lines):
    """Return the status line and the headers that a request of the given lines gets."""
    with socket.create_connection(server.server_address, timeout=5) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.split(b"\r\n\r\n")[0].decode().splitlines()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:{port}.evil", ""]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_of_others_cannot_read_it_by_its_own_name(served, host, method):
    port = served[0].server_address[1]
    lines = answer_to(served[0], f"{method} / HTTP/1.1", f"Host: {host.format(port=port)}")
    assert lines[0].split()[1] == "421"
    assert answer_to(served[0], f"{method} / HTTP/1.1")[0].split()[1] == "421"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(("path", "status"), [("/", "200"), ("/nothing", "404")])
def test_every_answer_forbids_guessing_and_framing(served, host, path, status):
    lines = answer_to(served[0], f"GET {path} HTTP/1.1", f"Host: {host}:{served[0].server_address[1]}")
    assert lines[0].split()[1] == status
    assert "X-Content-Type-Options: nosniff" in lines
    assert "X-Frame-Options: DENY" in lines


@pytest.mark.parametrize("seen", ["9" * 5000, "٣", "-1", "1e9", ""])
def test_state_is_told_whatever_number_is_asked_with(seen):
    with LiveServer(LivePage("t")) as server, server.running():
        assert json.loads(get(server.url + "state?seen=" + urllib.parse.quote(seen))[1])["version"] == 0


def test_a_connection_that_is_reset_leaves_no_traceback(served, capfd):
    for request in (b"", b"GET / HT", b"GET / HTTP/1.1\r\n\r\n"):
        connection = socket.create_connection(served[0].server_address, timeout=5)
        connection.sendall(request)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert get(served[0].url)[1]
    time.sleep(0.1)
    assert "Traceback" not in capfd.readouterr().err
