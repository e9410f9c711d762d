"""The options that say how to attach, of watch and top alike: by perf events, and to 5-byte nops only for who insists; and
a service behind a TLS proxy, which is believed only with the certificates that were named."""

import ctypes
import errno
import http.server
import shutil
import signal
import ssl
import subprocess
import threading
import unittest
import urllib.error
import urllib.request

import harness
import service_harness
import tmux_screen
import top_test

NOP5_ENGINE = harness.BUILD / "bin" / "nop5-engine"
SYS_UPROBE = 336  # ENXIO from an ordinary place: the kernels that turn a 5-byte nop into an unsafe call


def nop5_is_unsafe():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(SYS_UPROBE) < 0 and ctypes.get_errno() == errno.ENXIO


def link_types(links):
    """As bpftool calls them; those that it is too old for have a number."""
    return {link["type"] for link in harness.bpf_list("link") if link["id"] in links}


class HowToAttach(top_test.Screens, harness.Case):
    def top(self, *words):
        screen = self.screen()
        screen.start(harness.OUTRIDER, "top", *words)
        return screen

    def test_by_perf_events(self):
        engine = self.engine("--rate", 200, "--duration", 600)
        for words in (["--uprobes", "perf"], ["--uprobes", "auto"]):
            screen = self.top("--pid", engine.pid, *words)
            screen.await_text("attached to it")
            in_top = harness.bpf_links_of(screen.program)
            watch = self.watch("--pid", engine.pid, *words)
            self.assertEqual(link_types(in_top), link_types(watch.links))
            if words[1] == "perf":
                self.assertIn("perf_event", link_types(in_top))
            screen.keys("q")
            self.assert_left_clean(screen)
            screen.kill()
            watch.stop()
            harness.assert_links_gone(in_top)

    def test_to_five_byte_nops_for_who_insists(self):
        engine = harness.Child([NOP5_ENGINE])
        self.addCleanup(engine.kill)
        engine.await_line(engine.out, "nop5-engine", harness.PATIENCE_SECONDS)
        if nop5_is_unsafe():
            watch = self.watch("--pid", engine.pid, wait=False)
            self.assertEqual(watch.wait(), 1, watch.describe())
            self.assertIn("a 5-byte nop: this kernel would turn it into a call", "\n".join(watch.err))
            screen = self.top("--pid", engine.pid)
            screen.await_text("exit=1")
            self.assertIn("a 5-byte nop: this kernel would turn it into a call", screen.error_file.read_text())
            screen.kill()
        self.watch("--pid", engine.pid, "--allow-nop5").stop()
        screen = self.top("--pid", engine.pid, "--allow-nop5")
        screen.await_text("attached to it")
        links = harness.bpf_links_of(screen.program)
        self.assertTrue(links)
        screen.keys("q")
        self.assert_left_clean(screen)
        harness.assert_links_gone(links)

    def test_a_service_attaches_as_it_was_configured(self):
        for words in (["--mode", "full"], ["--max-overhead", "off"], ["--uprobes", "perf"], ["--allow-nop5"],
                      ["--profile", "outrider"]):
            screen = self.top(*words)
            screen.await_text("exit=2")
            self.assertIn(f"{words[0]} is for attaching; name what with --pid", screen.error_file.read_text())
            screen.kill()


class Proxy(http.server.ThreadingHTTPServer):
    """Hands on to the service what it is asked over TLS, as a reverse proxy does."""

    def __init__(self, service, certificate, key):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    with urllib.request.urlopen(service + self.path, timeout=10) as answer:
                        status, body = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, body = error.code, error.read()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that does not believe us hangs up: that is the test."""


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class OverTls(top_test.Screens, service_harness.ServiceCase):
    def certificate(self, name):
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True, timeout=harness.PATIENCE_SECONDS)
        return certificate, key

    def test_the_named_certificate_is_trusted_and_no_other(self):
        engine = self.engine(*service_harness.LOAD, "--duration", 600)
        self.addCleanup(engine.signal, signal.SIGTERM)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'])
        agent = self.start()
        engine.release()
        mine, other = self.certificate("mine"), self.certificate("other")
        proxy = Proxy(agent.url, *mine)
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        screen = self.screen()
        for words in ([], ["--ca-file", other[0]]):
            screen.start(harness.OUTRIDER, "top", "--url", proxy.url, *words)
            screen.await_text("exit=1")
            self.assertRegex(screen.error_file.read_text(), "no trusted TLS connection.*--ca-file says whose")
            screen.run("clear")
            screen.await_without("exit=")
        screen.start(harness.OUTRIDER, "top", "--url", proxy.url, "--ca-file", mine[0])
        screen.await_screen(lambda lines: len(top_test.rows_of_screen(lines)) == 5, "five types")
        screen.keys("q")
        self.assert_left_clean(screen)

    def test_what_cannot_be(self):
        missing, plain = self.directory / "missing.pem", self.directory / "plain.pem"
        plain.write_text("no certificate\n", encoding="ascii")
        screen = self.screen()
        for says, code, words in (
                (r"--ca-file: File does not exist", 2, ["--url", "https://127.0.0.1:1", "--ca-file", missing]),
                (r"--ca-file: certificates are for an https:// service", 2, ["--ca-file", plain]),
                (r"--ca-file excludes --pid|--pid excludes --ca-file", 2, ["--ca-file", plain, "--pid", 1])):
            screen.start(harness.OUTRIDER, "top", *words)
            screen.await_text(f"exit={code}")
            self.assertRegex(screen.error_file.read_text(), says)
            screen.run("clear")
            screen.await_without("exit=")
        proxy = Proxy("http://127.0.0.1:1", *self.certificate("mine"))
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        screen.start(harness.OUTRIDER, "top", "--url", proxy.url, "--ca-file", plain)
        screen.await_text("exit=1")
        self.assertIn(f"cannot read the trusted certificates {plain}", screen.error_file.read_text())


if __name__ == "__main__":
    tmux_screen.require_tmux()
    harness.require_kernel()
    harness.main()
