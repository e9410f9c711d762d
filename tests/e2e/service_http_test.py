"""The HTTP side of the running service: who is let in and who is not, what a hostile or slow client gets, and what a
reload of [http] does to those that are connected."""

import base64
import contextlib
import http.client
import signal
import socket
import subprocess
import urllib.error

import harness
from service_harness import ServiceCase, free_port

HEADER_LIMIT = 8192
MOST_STREAMS = 64


class Http(ServiceCase):
    def write_config(self, **settings):
        """[http] with these settings, and nothing that is watched."""
        lines = "".join(f"{key} = {value}\n" for key, value in {"port": self.port, **settings}.items())
        self.config.write_text(f'[agent]\ncollection_interval = "200ms"\n[store]\npath = "{self.database}"\n'
                               f"[http]\n{lines}[export]\nexport_prometheus = true\n", encoding="utf-8")

    def secret(self, name, text):
        path = self.directory / name
        path.write_text(text + "\n", encoding="utf-8")
        path.chmod(0o600)
        return f'"{path}"'

    def serve(self, **settings):
        self.write_config(**settings)
        agent = self.start(serving=False)
        agent.await_line(agent.err, "http: serving on ", harness.PATIENCE_SECONDS)
        return agent

    def refusal(self):
        """Why it does not run with this configuration."""
        done = subprocess.run([harness.OUTRIDER, "run", "--config", self.config], capture_output=True, text=True,
                              timeout=harness.PATIENCE_SECONDS, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def ask(self, path="/healthz", method="GET", port=None, host="127.0.0.1", body=None, **headers):
        """(status, headers, body) of one request; header names are written with underscores."""
        connection = http.client.HTTPConnection(host, port or self.port, timeout=harness.PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def status(self, *arguments, **options):
        return self.ask(*arguments, **options)[0]

    def send(self, data):
        """A connection on which just this was sent."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=harness.PATIENCE_SECONDS)
        self.addCleanup(client.close)
        client.sendall(data)
        return client

    @staticmethod
    def await_figures(agent, condition, what):
        """What the agent says of itself, once that is so: a report may be an interval old, and at first is none."""
        def seen():
            with contextlib.suppress(urllib.error.HTTPError):
                figures = agent.json("/api/v1/agent")
                return figures if condition(figures) else None
        return harness.wait_until(seen, harness.PATIENCE_SECONDS, what)

    def assert_event(self, agent, event, times):
        self.await_figures(agent, lambda figures: figures["http"][event] == times, f"{times} times {event}")
        counted = f'llmkg_agent_http_events_total{{event="{event}"}} {times}\n'
        self.assertTrue(counted in agent.text("/metrics"), f"another count of {event} in /metrics")

    def reload_and_await(self, agent, line):
        agent.signal(signal.SIGHUP)
        agent.await_line(agent.err, line, harness.PATIENCE_SECONDS)

    def test_a_token_and_a_password_open(self):
        agent = self.serve(bearer_token_file=self.secret("token", "s3cret-token"), basic_user='"Aladdin"',
                           basic_password_file=self.secret("password", "open sesame"))
        for path in ("/", "/healthz", "/metrics", "/api/v1/agent", "/api/v1/history", "/nowhere"):
            status, headers, body = self.ask(path)
            self.assertEqual(status, 401, path)
            self.assertIn("WWW-Authenticate", headers)
            self.assertNotIn(b"llmkg", body)
        # RFC 6750, section 2.1, and the example of RFC 7617, section 2.
        self.assertEqual(self.status(Authorization="Bearer s3cret-token"), 200)
        self.assertEqual(self.status(Authorization="Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), 200)
        wrong = base64.b64encode(b"Aladdin:open sesamE").decode()
        for refused in ("Bearer s3cret-toke", "Bearer s3cret-token2", "Bearer", f"Basic {wrong}", "s3cret-token"):
            self.assertEqual(self.status(Authorization=refused), 401, refused)
        self.assertFalse([line for line in agent.err if "s3cret" in line or "sesame" in line], "a secret in the log")
        self.assertLess(agent.end(), 2)

    def test_beyond_loopback_only_with_a_word(self):
        self.write_config(address='"0.0.0.0"')
        self.assertRegex(self.refusal(), r"outrider\.toml:\d+:\d+: http\.address: .*without authentication")
        agent = self.serve(address='"0.0.0.0"', bearer_token_file=self.secret("token", "s3cret-token"))
        self.assertEqual(self.status(), 401)
        self.assertEqual(self.status(Authorization="Bearer s3cret-token"), 200)
        agent.end()

    def test_a_secret_that_others_can_read_opens_nothing(self):
        path = self.secret("token", "s3cret-token")
        (self.directory / "token").chmod(0o644)
        self.write_config(bearer_token_file=path)
        self.assertIn("is open to every user", self.refusal())

    def test_the_host_must_be_ours(self):
        agent = self.serve(allowed_hosts='["metrics.example.org"]')
        for host in ("localhost", f"127.0.0.1:{self.port}", "metrics.example.org", "METRICS.example.org:80"):
            self.assertEqual(self.status(Host=host), 200, host)
        strangers = ("evil.example.org", "localhost.evil.example.org", "169.254.169.254")
        for host in strangers:
            self.assertEqual(self.status("/metrics", Host=host), 421, host)
        self.assert_event(agent, "wrong_host", len(strangers))
        agent.end()

    def test_more_pages_that_want_events_than_there_may_be(self):
        agent = self.serve()
        harness.wait_until(lambda: self.status("/readyz") == 200, harness.PATIENCE_SECONDS, "the first interval")
        wanted = b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        pages = []
        for _ in range(MOST_STREAMS):
            pages.append(self.send(wanted))
            self.assertIn(b" 200 ", pages[-1].recv(64))
        for _ in range(2):
            self.assertEqual(self.status("/api/v1/live", Accept="text/event-stream"), 503)
        self.assert_event(agent, "stream_refused", 2)
        pages.pop().close()
        # (Its answer would have no end, so only its first line is read.)
        harness.wait_until(lambda: b" 200 " in self.send(wanted).recv(64), harness.PATIENCE_SECONDS,
                           "the place of one that left")
        agent.end()

    def test_methods_and_bodies(self):
        agent = self.serve()
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            status, headers, _ = self.ask(method=method)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), method)
        self.assertEqual(self.status(method="POST", body=b"a=b"), 413)
        status, headers, body = self.ask(method="HEAD")
        self.assertEqual((status, headers["Content-Length"], body), (200, "3", b""))  # "ok\n"
        agent.end()

    def test_an_overlong_header(self):
        agent = self.serve()
        self.assertEqual(self.status(X_Filler="x" * (HEADER_LIMIT // 2)), 200)
        self.assertEqual(self.status(X_Filler="x" * HEADER_LIMIT), 431)
        # One that never ends is cut off as soon as it is too long.
        client = self.send(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while client.send(b"X-Filler: " + b"x" * 500 + b"\r\n"):
                pass
        self.await_figures(agent, lambda figures: figures["http"]["too_large"] == 2, "two that are too large")
        self.assertEqual(self.status(), 200)
        agent.end()

    def test_slow_clients_hold_nobody_up(self):
        agent = self.serve()
        harness.wait_until(lambda: self.status("/readyz") == 200, harness.PATIENCE_SECONDS, "the first interval")
        # More than there is room for: some drip in their header, some never read what they asked for.
        clients = [self.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"\r\n" * (number % 2))
                   for number in range(200)]
        for _ in range(10):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(b"X")
            status, headers, _ = self.ask("/metrics")
            # A newcomer may be told to come back: then it is let in after a moment.
            if status == 503:
                self.assertEqual(headers["Retry-After"], "1")
                harness.wait_until(lambda: self.status("/metrics") == 200, harness.PATIENCE_SECONDS, "a place")
        self.assertLess(agent.end(), 2)

    def test_another_token_needs_no_other_connection(self):
        agent = self.serve(bearer_token_file=self.secret("token", "first"))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE_SECONDS)
        self.addCleanup(connection.close)

        def ask(token):
            connection.request("GET", "/healthz", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        self.assertEqual(ask("first"), 200)
        mine = connection.sock.getsockname()
        self.secret("token", "second")
        self.reload_and_await(agent, "was read again")
        harness.wait_until(lambda: ask("second") == 200, harness.PATIENCE_SECONDS, "the new token")
        self.assertEqual(ask("first"), 401)
        self.assertEqual(connection.sock.getsockname(), mine)
        agent.end()

    def test_a_taken_port_takes_nothing_down(self):
        agent = self.serve()
        with socket.socket() as blocker:
            blocker.bind(("127.0.0.1", 0))
            blocker.listen()
            new = blocker.getsockname()[1]
            self.write_config(port=new)
            self.reload_and_await(agent, f"http: still serving on http://127.0.0.1:{self.port}/, and trying again")
            self.assertEqual(self.status(), 200)
            self.await_figures(agent, lambda figures: str(new) in (figures["http_error"] or ""), "the reason")
        agent.await_line(agent.err, f"http: serving on http://127.0.0.1:{new}/", harness.PATIENCE_SECONDS)
        self.assertEqual(self.status(port=new), 200)
        with self.assertRaises(OSError):
            self.status()
        agent.end()

    def test_another_port_at_once(self):
        agent = self.serve()
        requests = [self.status() for _ in range(5)]
        self.assertEqual(requests, [200] * 5)
        self.await_figures(agent, lambda figures: figures["http"]["request"] >= 5, "them in the figures")
        new = free_port()
        self.write_config(port=new)
        self.reload_and_await(agent, f"http: serving on http://127.0.0.1:{new}/")
        agent.url = f"http://127.0.0.1:{new}"
        # What the old server counted is still counted.
        self.await_figures(agent, lambda figures: figures["http"]["request"] >= 5, "the old server's requests")
        agent.end()


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
