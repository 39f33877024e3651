"""`python -m page` as a user starts and ends it."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
from websockets.sync.client import connect

from page import __main__ as command
from page.serve import describe_address, load_model, open_port
from tests.helpers.commands import wait_until
from tests.helpers.hidden_packages import hide_packages
from tests.helpers.paths import REPOSITORY
from tests.helpers.videos import make_video, noise
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.errors import InputError


@pytest.fixture
def start(tmp_path, random_checkpoint):
    """Start the server as a process of its own, whose temporary files are in `tmp_path/temporary`."""
    (tmp_path / "temporary").mkdir()
    running = []

    def call(*arguments, model=random_checkpoint) -> subprocess.Popen:
        words = [sys.executable, "-m", "page", "--model_path", model, "--device", "cpu", "--port", "0", *arguments]
        environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
        with heard(signal.SIGINT, signal.SIGHUP):
            process = subprocess.Popen(
                [str(word) for word in words], cwd=REPOSITORY, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        running.append(process)
        return process

    yield call
    for process in running:
        process.kill()
        process.communicate()


@contextmanager
def heard(*signals):
    """Here signals that this process ignores are not ignored: under nohup a process that is started would do so too."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def read_port(process) -> int:
    """The port that the server says, once it is ready."""
    for line in process.stdout:
        if found := re.search(r"the page is at http://\S+?:(\d+)/", line):
            return int(found[1])
    raise AssertionError("the server has ended")


def end(process, how: int) -> str:
    """Send a signal; returns what it still says, and checks that it ends without an error."""
    process.send_signal(how)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def folders(tmp_path) -> list:
    return list((tmp_path / "temporary").glob("mstfnet-page-*"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
def test_it_ends_in_the_middle_of_a_job_and_leaves_nothing(start, tmp_path, how):
    film = make_video(tmp_path / "long.mp4", noise(600, 64, 64)).read_bytes()
    process = start()
    port = read_port(process)
    assert folders(tmp_path)
    with connect(f"ws://127.0.0.1:{port}/api/session") as talk:
        (id,) = re.findall(r'"id": "([^"]+)"', talk.recv(60))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", f"/api/session/{id}/video", film)
        assert connection.getresponse().status == 202
        assert "queue" in talk.recv(60)
        with connect(f"ws://127.0.0.1:{port}/api/session") as other:
            (id,) = re.findall(r'"id": "([^"]+)"', other.recv(60))
            upload = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            upload.putrequest("POST", f"/api/session/{id}/video")
            upload.putheader("Content-Length", "1000")
            upload.endheaders(b"the rest never comes")
            wait_until(lambda: len([path for path in folders(tmp_path)[0].rglob("*") if path.is_file()]) == 2)
            assert end(process, how).removeprefix("Ctrl-C ends it\n") == "stopped\n"
    assert not folders(tmp_path)


def test_small_messages_are_sent_at_once():
    with open_port("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError) as refused:
        open_port("127.0.0.1", taken.getsockname()[1])
    assert "another program uses it, perhaps this one in another window" in str(refused.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-machine.invalid"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(InputError, match=f"port 0 of {host} cannot be opened: the address is not one of this"):
        open_port(host, 0)


def test_a_model_without_glosses_is_refused_at_the_start(random_checkpoint, tmp_path):
    content = load_checkpoint(random_checkpoint)
    del content["glosses"]
    save_checkpoint(tmp_path / "bare.pt", content)
    args = command.parse_args(["--model_path", str(tmp_path / "bare.pt"), "--device", "cpu"])
    with pytest.raises(InputError, match=r"bare\.pt holds no glosses: give the dictionary that it was trained on"):
        load_model(args)


@pytest.mark.parametrize(
    ("host", "token", "address"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:80/"),
        ("::1", None, "http://[::1]:80/"),
        ("192.168.1.2", "a-long-secret", "http://192.168.1.2:80/?token=a-long-secret"),
        ("0.0.0.0", "a-long-secret", f"http://{socket.gethostname()}:80/?token=a-long-secret"),
    ],
)
def test_the_address_is_printed_and_a_warning_where_others_are_let_in(host, token, address):
    words = ["--model_path", "best.pt", "--host", host, *(["--token", token] if token else [])]
    lines = describe_address(command.parse_args(words), 80)
    assert f"the page is at {address}" in lines
    assert lines[0].startswith("warning: whoever can reach this machine and knows the token") == (token is not None)


def test_packages_that_are_missing_are_named_with_the_remedy(tmp_path, random_checkpoint):
    process = subprocess.run(
        [sys.executable, "-m", "page", "--model_path", str(random_checkpoint)], cwd=REPOSITORY, check=False, text=True,
        env=hide_packages(["starlette", "websockets"], tmp_path), capture_output=True,
    )  # fmt: skip
    assert process.stderr == (
        "error: the page needs packages that are missing (starlette, websockets): "
        "python -m pip install -r requirements-page.txt\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines in: give a secret that they must know, such as"),
        (["--host", "192.168.1.2"], "lets other machines in"),
        (["--token", "short"], "--token must have 12 or more of the characters"),
        (["--token", "with spaces and more"], "--token must have 12 or more of the characters"),
        (["--port", "65536"], "must be a whole number from 0 to 65,535"),
        (["--max-upload", "0"], "must be a whole number from 1 to"),
    ],
)
def test_options_are_checked(arguments, message, capsys):
    with pytest.raises(SystemExit):
        command.parse_args(["--model_path", "best.pt", *arguments])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.10"])
def test_this_machine_alone_needs_no_token(host):
    assert command.parse_args(["--model_path", "best.pt", "--host", host]).token is None
