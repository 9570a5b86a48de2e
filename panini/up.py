"""`panini up`, `down` and `status`: the local stack, from nothing to an answering model.

startup: home → engines (Kafka, Valkey) → API → workers → the example → the words to begin with
main loop: keep every process running
drain: workers finish what runs, then the API, then the engines
"""

import asyncio
import contextlib
import functools
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any, Final

import httpx
import pydantic

from dashboard import sessions
from panini import crew, hello, logs, tidying
from panini.stack import errors, home, kafka, pidfile, ports, process, secrets, valkey
from panini.stack import settings as stack_settings
from registry import client
from wire import settings as wire_settings
from workers import lag, sandbox, scaling_settings
from workers import settings as worker_settings

API: Final = "api"


class Settings(stack_settings.Settings):
    """The local stack, its API and its workers."""

    port: int = pydantic.Field(default=8080, ge=1, le=65535)
    """TCP port of the API and the pages on 127.0.0.1."""
    up_example: bool = True
    """Deploy the example model `iris` at the first start of an empty home, where its folder is at hand."""
    up_began: float | None = None
    """Unix seconds at which the command that led here began (`make up` sets it), for the times that are printed."""


def run(options: Settings, *, detach: bool) -> int:
    """Run the stack until Ctrl-C or `panini down`; detached, return once it answers. The exit code."""
    sandbox.protect_self()
    logs.configure("up")
    if detach:
        return _detached(options)
    try:
        return asyncio.run(Stack(options).serve())
    except errors.StackError as error:
        print(f"panini: {error}", file=sys.stderr)
        return 1


class Stack:
    """Everything of one home, while it runs."""

    def __init__(self, options: Settings) -> None:
        self.options = options
        self.place = home.Home.at(options.home)
        self.url = f"http://{ports.HOST}:{options.port}"
        self.times = hello.Times(options.up_began)
        self._connections = wire_settings.Connections.load()
        self._stopping = asyncio.Event()
        self._kept: list[crew.Kept] = []
        self._crew: crew.Crew | None = None
        self._environ: dict[str, str] = {}

    async def serve(self) -> int:
        """Start, stay, stop; the exit code."""
        self.place.prepare()
        loop = asyncio.get_running_loop()
        with self.place.locked():
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._stopping.set)
            stay = asyncio.create_task(self._stopping.wait())
            work = asyncio.create_task(self._startup())
            try:
                await asyncio.wait({stay, work}, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    await work
                    await stay
                return 0
            finally:
                work.cancel()
                stay.cancel()
                await asyncio.gather(work, stay, return_exceptions=True)
                print("stopping: running jobs end first …", flush=True)
                await self._drain()
                print("stopped", flush=True)

    async def _startup(self) -> None:
        ports.require_free(self.options.port, what="the API", setting="PANINI_PORT")
        await self._engines()
        await self._api()
        token = secrets.ensure(self.place.secrets)["panini_internal_token"]
        connections = wire_settings.Connections.load(**self._given())
        self._crew = crew.Crew(
            client.Client(self.url, token),
            lag.Lag(connections),
            self._worker_spec,
            options=scaling_settings.ScalingSettings.load(),
            grace=worker_settings.Settings.load().worker_drain + crew.LEAVE,
            clear=functools.partial(tidying.clear, self.place),
        )
        following = asyncio.create_task(self._crew.run())
        try:
            home.note(self.place.ports_file, {"api": self.url, "pid": os.getpid(), "environ": self._environ})
            link = functools.partial(login, self.place.root)
            await hello.greet(self.place, self.url, link, self.times, example=self.options.up_example)
            await self._stopping.wait()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _engines(self) -> None:
        made = secrets.ensure(self.place.secrets)
        where = ports.settle(self.place, self.options)
        given = self._connections.model_fields_set
        environ = {
            "PANINI_HOME": str(self.place.root),
            "PANINI_SECRETS": str(self.place.secrets),
            "PANINI_REGISTRY": self.url,
            "PANINI_REGISTRY_FOLDER": str(self.place.registry),
            "PANINI_WEBHOOK_PRIVATE": os.environ.get("PANINI_WEBHOOK_PRIVATE", "true"),  # receivers are local here
        }
        starts = []
        if "kafka" not in given:
            broker = kafka.Kafka(self.place, self.options, where, made["panini_kafka_password"])
            environ |= {"PANINI_KAFKA": broker.bootstrap, "PANINI_KAFKA_USERNAME": broker.username}
            starts.append(self._engine("Kafka", broker, lambda: broker.start(hello.progress)))
        if "redis" not in given:
            server = valkey.Valkey(self.place, self.options, where, made["panini_redis_password"])
            environ |= {"PANINI_REDIS": server.url}
            starts.append(self._engine("Valkey", server, server.start))
        self._environ = environ
        results = await asyncio.gather(*starts, return_exceptions=True)
        for found in results:
            if isinstance(found, BaseException):
                raise found
        self.times.mark("Kafka and Valkey")

    async def _engine(self, name: str, server: kafka.Kafka | valkey.Valkey, start: Any) -> None:
        """Start an engine now, its errors ours; then keep it running."""
        first = True

        async def again() -> process.Child:
            nonlocal first
            if not first:
                await start()
            first = False
            return server.child

        kept = crew.Kept(name, again, grace=self.options.stop_timeout)
        self._kept.append(kept)
        await start()
        kept.begin()

    async def _api(self) -> None:
        spec = self._spec(API, "the API", ["serve", "all"])

        async def start() -> process.Child:
            await pidfile.stop_left(spec.pid_file, name=spec.name, grace=self.options.stop_timeout)
            child = process.Child(spec)
            await child.start()
            return child

        kept = crew.Kept("the API", start, grace=self.options.stop_timeout)
        self._kept.append(kept)
        kept.begin()
        await self._answering(kept)
        self.times.mark("API")

    async def _answering(self, kept: crew.Kept) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(600):
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(f"{self.url}/readyz")).status_code == 200:
                        return
                child = kept.child
                if child is not None and not child.running:
                    raise errors.ServerFailed(f"the API ended:\n{child.log_of_this_run()[-2000:]}")
                await asyncio.sleep(0.05)
        raise errors.ServerFailed(f"the API does not answer; its log is {self.place.log(API)}")

    def _given(self) -> dict[str, Any]:
        """Where the engines are, as settings that win over the environment."""
        return connection_words(self.place, self._environ)

    def _worker_spec(self, account: str, model: str, number: int) -> process.Spec:
        name = f"worker.{account}.{model}.{number}"
        return crew.worker(self._spec(name, f"worker {number} of {model}", ["worker", model, "--account", account]))

    def _spec(self, name: str, words: str, arguments: list[str]) -> process.Spec:
        extra = {
            "PANINI_PORT": str(self.options.port),
            "PANINI_KEY_FILE": str(self.place.key_file),
            "PANINI_LOCAL_STACK": "true",
        }
        return process.Spec(
            name=words,
            argv=[sys.executable, "-m", "panini", *arguments],
            cwd=self.place.root,
            log=self.place.log(name),
            pid_file=self.place.pid_file(name),
            env=dict(os.environ) | self._environ | extra,
        )

    async def _drain(self) -> None:
        """Workers, the API, then the engines: each needs the next to end well."""
        if self._crew is not None:
            await self._crew.end()
        for kept in reversed(self._kept):
            if kept.name == "the API":
                await kept.end()
        await asyncio.gather(*(kept.end() for kept in self._kept if kept.name != "the API"))


def down(root: pathlib.Path) -> int:
    """Stop the stack of a home; 0 where none runs, too."""
    place = home.Home.at(root)
    found = _holder(place)
    if found is None:
        print("nothing runs")
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(found, signal.SIGTERM)
    while _holder(place) == found:
        time.sleep(0.05)
    print("stopped")
    return 0


def status(root: pathlib.Path) -> dict[str, Any]:
    """Where the stack is and what it runs; `running` False where it does not."""
    place = home.Home.at(root)
    notes = home.noted(place.ports_file)
    if _holder(place) is None:
        return {"running": False, "home": str(place.root)}
    environ: dict[str, str] = notes.get("environ", {})
    connections = wire_settings.Connections.load(**connection_words(place, environ))
    found: dict[str, Any] = {
        "running": True,
        "api": notes.get("api"),
        "key_file": str(place.key_file),
        "kafka": connections.kafka_python(),
        "redis": connections.redis,
        "home": str(place.root),
    }
    with contextlib.suppress(OSError, httpx.HTTPError, ValueError):
        key = place.key_file.read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.get(f"{notes['api']}/v1/models", headers=headers, trust_env=False, timeout=5)
        found["models"] = answer.json()["models"]
    return found


def login(root: pathlib.Path) -> str:
    """A link that signs its visitor in to the pages, once, within ten minutes. Raises StackError where nothing runs."""
    place = home.Home.at(root)
    notes = home.noted(place.ports_file)
    if _holder(place) is None or "api" not in notes:
        raise errors.StackError("the local stack is not running; `panini up` starts it")
    secret = secrets.ensure(place.secrets)["panini_internal_token"]
    return f"{notes['api']}/login?token={sessions.make_login_token(secret.encode(), hello.key_of(place))}"


def connection_words(place: home.Home, environ: dict[str, str]) -> dict[str, Any]:
    """The connections of a running stack as settings: what its processes were given, and the home's secrets."""
    given = {
        name: environ[f"PANINI_{name.upper()}"]
        for name in ("kafka", "kafka_username", "redis")
        if f"PANINI_{name.upper()}" in environ
    }
    return {"_secrets_dir": str(place.secrets)} | given


def _holder(place: home.Home) -> int | None:
    """The process that holds the home's lock; none where nothing runs."""
    if not place.lock_file.exists():
        return None
    try:
        with place.locked():
            return None
    except errors.HomeBusy:
        text = place.lock_file.read_text(encoding="ascii").strip()
        return int(text) if text.isdigit() else None


def _detached(options: Settings) -> int:
    """Start the stack in a session of its own and follow its words until it answers."""
    place = home.Home.at(options.home)
    try:
        place.prepare()
    except errors.StackError as error:
        print(f"panini: {error}", file=sys.stderr)
        return 1
    path = place.log("up")
    with path.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "panini", "up"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env=dict(os.environ) | {"PANINI_HOME": str(place.root), "PYTHONUNBUFFERED": "1"},
        )
    with path.open("r", encoding="utf-8", errors="replace") as words:
        while True:
            text = words.read()
            sys.stdout.write(text)
            sys.stdout.flush()
            if hello.READY in text:
                return 0
            if child.poll() is not None:
                sys.stdout.write(words.read())
                return child.returncode or 1
            time.sleep(0.05)
