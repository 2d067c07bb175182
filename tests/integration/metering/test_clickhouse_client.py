"""The published client of ClickHouse, over HTTP, against ClickHouse's own engine."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from metering.domain.counting import MeterDefinition
from metering.stores.clickhouse import ClickHouseEvents
from metering.stores.clickhouse_server import ClickHouseServer, UsageStoreUnreachable
from metering.stores.port import StoredEvent
from monetization.kernel.ids import uuid7_block
from tests.integration.metering.chdb_engine import ChdbEngine, make_engine

ONE_AT_A_TIME = Lock()
T = datetime(2026, 1, 3, tzinfo=UTC)


def handler(engine: ChdbEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers as a server's HTTP interface does, as far as the client asks."""

        def do_POST(self) -> None:
            asked = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sql = asked.get("query", "")
            if sql.lstrip().upper().startswith("INSERT"):
                sql = f"{sql}\n{body.decode()}"
            else:
                sql = sql or body.decode()
            kind = re.search(r"FORMAT\s+(\w+)\s*;?\s*$", sql)
            given = {k[6:]: v for k, v in asked.items() if k.startswith("param_")}
            with ONE_AT_A_TIME:
                found = engine.session.query(
                    re.sub(r"FORMAT\s+\w+\s*;?\s*$", "", sql) if kind else sql,
                    kind[1] if kind else asked.get("default_format", "TabSeparated"),
                    params=given,
                )
            content = bytes(found.bytes())
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815 - the name http.server calls

        def log_message(self, *_: Any) -> None:
            return

    return Handler


@pytest.fixture
def url() -> Iterator[str]:
    pytest.importorskip("clickhouse_connect", reason="clickhouse-connect is not installed")
    engine = make_engine()
    server = HTTPServer(("127.0.0.1", 0), handler(engine))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://default:@127.0.0.1:{server.server_port}/usage"
    server.shutdown()
    server.server_close()


def test_events_go_there_and_are_counted_there(url: str) -> None:
    store = ClickHouseEvents(ClickHouseServer(url), uuid4())
    store.prepare()
    customer = uuid4()
    events = [
        StoredEvent(
            UUID(bytes=id), "api", "it's \\ \n", "call", "acme", customer,
            T + timedelta(hours=hour), T, 100, None, None, "", f'{{"n": "{hour}"}}',
        )
        for hour, id in enumerate(uuid7_block(5))
    ]  # fmt: skip
    store.put(events, version=1)
    assert store.get([one.id for one in events]) == events
    of = MeterDefinition(uuid4(), "call", "sum", "n", {})
    window = (3, of.id, customer, T, T + timedelta(hours=4), "UTC")
    assert store.measure(of, [window], "200:200:") == {3: (Decimal(6), 4)}


def test_a_server_that_does_not_answer_is_said_in_words() -> None:
    pytest.importorskip("clickhouse_connect", reason="clickhouse-connect is not installed")
    with pytest.raises(UsageStoreUnreachable, match="does not answer"):
        ClickHouseServer("http://default:@127.0.0.1:9/usage")
