"""requirements.txt of a bundle."""

import pytest

from registry import errors, requirements


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n\n",
        "numpy\nscikit-learn==1.5.2\npandas >=2,<3 ; python_version >= '3.11'  # why\n",
        "uvicorn[standard]~=0.30\nzope.interface != 5\n",
        "torch==2.4.0 \\\n    --hash=sha256:abc \\\n    --hash=sha256:def\n",
        "--only-binary=:all:\n--pre\nnumpy\n",
        "numpy @ 2\n".replace(" @ 2", "(>=1.0)"),
        "\ufeffnumpy\r\nscipy\r\n",
        "package-with-zip-in-name\nzip.ping\n",
    ],
)
def test_named_packages(text: str) -> None:
    requirements.check(text.encode())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--index-url https://evil.example/simple", "--index-url is not allowed"),
        ("--extra-index-url=https://evil.example", "--extra-index-url is not allowed"),
        ("-i https://evil.example", "-i is not allowed"),
        ("--find-links /tmp", "--find-links is not allowed"),
        ("-e .", "import it from predict.py"),
        ("--editable=git+https://x", "import it from predict.py"),
        ("-r other.txt", "this one file"),
        ("-c constraints.txt", "this one file"),
        ("git+https://github.com/x/y", "is an address"),
        ("name @ git+https://github.com/x/y", "is an address"),
        ("name @ https://evil.example/x.whl", "is an address"),
        ("name@https://evil.example/x.whl", "is an address"),
        ("https://evil.example/x.whl", "is an address"),
        ("file:///etc/passwd", "is an address"),
        ("name @ file:x.whl", "is an address"),
        ("FILE:x", "is an address"),
        ("./local", "is a file"),
        ("../local", "is a file"),
        ("/abs/local", "is a file"),
        (".", "is a file"),
        ("wheels/x-1.0-py3-none-any.whl", "is a file"),
        ("x-1.0.tar.gz", "is a file"),
        ("numpy scipy", "is no requirement"),
        ("==1.0", "is no requirement"),
    ],
)
def test_everything_else_names_its_line(line: str, why: str) -> None:
    with pytest.raises(errors.BadBundle, match=r"requirements\.txt, line 3: .*" + why.replace(".", r"\.")) as raised:
        requirements.check(f"numpy\n# comment\n{line}\n".encode())
    assert (raised.value.file, raised.value.line) == ("requirements.txt", 3)


def test_a_continued_line_hides_nothing() -> None:
    with pytest.raises(errors.BadBundle, match="line 1: the option --index-url"):
        requirements.check(b"--index-url \\\n https://evil.example\n")


def test_no_text() -> None:
    with pytest.raises(errors.BadBundle, match="line 2: it is not UTF-8"):
        requirements.check(b"numpy\n\xff\xfe\n")
    with pytest.raises(errors.BadBundle, match="1 MiB"):
        requirements.check(b"#" * (requirements.MAX_BYTES + 1))
