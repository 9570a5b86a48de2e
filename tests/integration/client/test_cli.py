import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_deploy_into_a_pipe_ends_in_one_json_document(cli: Any, api: Any, folder: Path, unpacked: Any) -> None:
    done = cli("deploy", str(folder), "--name", "iris")

    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert (document["version"], document["state"]) == (1, "live")
    assert document["topic"] == "panini.default.iris.jobs"
    told = done.stderr.splitlines()
    assert [line.rpartition(" ")[0].rpartition(" ")[2] for line in told if line.startswith("uploading")][-1] == "100"
    assert "  loaded in 0.1 s" in told
    assert told[-1] == "done deploying"
    assert unpacked(api.uploads[0]) == ["panini.toml", "predict.py", "sample.json"]
    assert api.fields[0]["sample"] == "[5.1,3.5,1.4,0.2]"


def test_the_curl_line_works_when_pasted(cli: Any, api: Any, folder: Path, environ: dict[str, str]) -> None:
    line = json.loads(cli("deploy", str(folder), "--name", "iris").stdout)["curl"]

    pasted = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=environ, check=True)

    assert json.loads(pasted.stdout)["output"] == [5.1, 3.5, 1.4, 0.2]


def test_the_curl_line_of_a_model_of_bytes_sends_the_file(
    cli: Any, api: Any, folder: Path, environ: dict[str, str]
) -> None:
    (folder / "panini.toml").write_text('input = "bytes"\n')
    (folder / "sample.png").write_bytes(b"\x89PNG" + bytes(5000))

    line = json.loads(cli("deploy", str(folder), "--name", "photo").stdout)["curl"]
    pasted = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=environ, check=True)

    assert json.loads(pasted.stdout)["output"].startswith("iVBORw")
    assert api.fields[0]["type"] == "multipart/form-data"


def test_a_failed_build_shows_the_authors_traceback_and_exits_1(cli: Any, folder: Path) -> None:
    done = cli("deploy", str(folder), "--name", "broken")

    assert done.returncode == 1
    assert '    File "predict.py", line 2, in load' in done.stderr
    assert "failed at step 'load': KeyError: 'w'" in done.stderr
    assert "No version is live" in done.stderr
    assert "done deploying" not in done.stderr


def test_submit_waits_and_prints_the_job(cli: Any, api: Any) -> None:
    done = cli("submit", "iris", "[1, 2]", "--wait", "5")

    assert done.returncode == 0
    assert json.loads(done.stdout)["output"] == "setosa"
    assert api.jobs == [{"input": [1, 2]}]


def test_submit_reads_a_file_as_the_models_input_says(cli: Any, api: Any, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("[1.5]")

    cli("submit", "iris", "@in.json")
    cli("submit", "photo", "@in.json")
    cli("submit", "iris", "-", stdin="[2.5]\n")

    assert [job["input"] for job in api.jobs] == [[1.5], "WzEuNV0=", [2.5]]


def test_an_output_of_bytes_is_written_to_a_file(cli: Any, tmp_path: Path) -> None:
    done = cli("submit", "photo", '"eA=="', "--wait", "5", "--output", "out.png")

    assert done.returncode == 0
    assert (tmp_path / "out.png").read_bytes() == b"\x89PNG"


def test_a_failed_job_exits_1_and_is_printed(cli: Any) -> None:
    done = cli("submit", "broken", "1", "--wait", "5")

    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "failed"
    assert done.stderr == "panini: job j_1 failed: predict_error: KeyError: 'w'\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["submit", "iris", "hello"], 2, "a text needs its quotes"),
        (["submit", "iris", "NaN"], 2, "NaN is no JSON number"),
        (["submit", "iris", "@missing.json"], 2, "missing.json cannot be read"),
        (["submit", "nothing", "@missing.json"], 2, "there is no model 'nothing'"),
        (["deploy", "nowhere", "--name", "x"], 2, "does not exist"),
        (["deploy", ".", "--name", "Bad_Name"], 2, "is no model name"),
        (["deploy", ".", "--name", "empty"], 2, "has no predict.py"),
        (["job", "gone"], 1, "its result was kept"),
        (["remove", "iris"], 2, "--yes"),
        (["bogus"], 2, "No such command"),
        (["submit", "away", "1"], 3, "try again"),
        (["models"], 0, ""),
        (["versions", "iris"], 0, ""),
        (["rollback", "iris", "1"], 0, ""),
        (["remove", "iris", "--yes"], 0, ""),
    ],
)
def test_exit_codes(cli: Any, arguments: list[str], code: int, said: str) -> None:
    done = cli(*arguments)

    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_server_is_code_3(cli: Any) -> None:
    done = cli("models", url="http://127.0.0.1:1")

    assert done.returncode == 3
    assert done.stderr.startswith("panini: no Panini answers at http://127.0.0.1:1: is it running? `panini up`")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_address_is_code_3(cli: Any) -> None:
    assert cli("models", url="nonsense").returncode == 3


def test_no_address_at_all_is_code_3(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PANINI_")}

    done = subprocess.run(
        [sys.executable, "-c", "from panini.cli import main; main()", "models"],
        capture_output=True,
        text=True,
        env=environ,
        cwd=tmp_path,
        check=False,
    )

    assert done.returncode == 3
    assert "run `panini up` here, or set PANINI_URL" in done.stderr


def test_logs_stay_text_in_a_pipe(cli: Any) -> None:
    assert cli("logs", "iris").stdout == "environment: made in 0.4 s\nloaded in 0.1 s\nchecked\n"
    assert cli("logs", "iris", "--version", "1", "-f").stdout.splitlines()[-1] == "checked"
    assert json.loads(cli("logs", "iris", "--json").stdout.splitlines()[0])["text"] == "environment: made in 0.4 s"


def test_check_runs_the_sample_without_a_server(cli: Any, folder: Path) -> None:
    done = cli("check", str(folder))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True
    assert "check: the sample gave [5.1,3.5,1.4,0.2]" in done.stderr


def test_a_failed_check_shows_the_authors_traceback_and_exits_1(cli: Any, folder: Path) -> None:
    (folder / "predict.py").write_text("def predict(inputs):\n    return inputs[0]['petals']\n")

    done = cli("check", str(folder))

    assert done.returncode == 1
    assert json.loads(done.stdout)["failed_step"] == "check"
    assert 'predict.py", line 2, in predict' in done.stderr


def test_a_syntax_error_is_told_with_its_line(cli: Any, folder: Path) -> None:
    (folder / "predict.py").write_text("def predict(inputs)\n    return inputs\n")

    done = cli("check", str(folder))

    assert done.returncode == 1
    assert "predict.py, line 1" in done.stderr.splitlines()[-1]


def on_a_terminal(environ: dict[str, str], folder: Path, *arguments: str) -> tuple[int, str]:
    """Runs the program with a terminal on all three streams; its exit code and what the terminal showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from panini.cli import main; main()", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ,
        cwd=folder,
        close_fds=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # Linux says EIO where the other side was closed
        pass
    os.close(ours)
    return process.wait(60), shown.decode().replace("\r\n", "\n")


def test_people_get_tables_and_no_json(api: Any, environ: dict[str, str], tmp_path: Path) -> None:
    code, shown = on_a_terminal(environ, tmp_path, "models")

    assert code == 0
    assert shown.splitlines()[0].split() == ["model", "live", "state", "input", "topic"]
    assert shown.splitlines()[1].split() == ["iris", "1", "live", "floats", "panini.default.iris.jobs"]


def test_people_get_json_when_they_ask(api: Any, environ: dict[str, str], tmp_path: Path) -> None:
    code, shown = on_a_terminal(environ, tmp_path, "models", "--json")

    assert code == 0
    assert json.loads(shown)["models"][0]["model"] == "iris"


def test_people_see_the_upload_move_and_what_to_do_next(
    api: Any, environ: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    code, shown = on_a_terminal(environ, tmp_path, "deploy", str(folder), "--name", "iris")

    assert code == 0
    assert "\ruploading 4.1 kB: 100 %\n" in shown
    after = shown[shown.index("done deploying") :]
    assert f"API    {api.url}/v1/models/iris/jobs" in after
    assert "topic  panini.default.iris.jobs" in after
    assert after.rstrip().splitlines()[-1].startswith("curl -s http://127.0.0.1:")


def test_people_see_the_output(api: Any, environ: dict[str, str], tmp_path: Path) -> None:
    code, shown = on_a_terminal(environ, tmp_path, "submit", "iris", "[1]", "--wait", "5")

    assert (code, shown) == (0, 'j_1  succeeded  (iris version 1)\n"setosa"\n')


def test_help_names_every_command_and_needs_no_server(cli: Any) -> None:
    shown = cli("--help").stdout

    for name in ("up", "down", "status", "check", "deploy", "models", "submit", "job", "logs", "serve", "worker"):
        assert f"\n  {name} " in shown


def test_the_installed_program_runs() -> None:
    program = Path(sys.executable).with_name("panini")
    if not program.exists():
        pytest.skip("the project is not installed here")

    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("panini, version")
