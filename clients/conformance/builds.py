"""Builds the example and the driver of the languages that a machine need not have, from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from harness import ROOT

GO_SOURCES = Path("/usr/share/gocode/src")
GO_NEEDS = [
    GO_SOURCES / "google.golang.org/grpc",
    GO_SOURCES / "google.golang.org/genproto",
    # Debian has an older version too, which does not work with generated code of today.
    GO_SOURCES / "github.com/golang/protobuf/proto/registry.go",
]


class Missing(Exception):
    """What the machine lacks to build a client."""


def need(*things: str | Path) -> None:
    missing = [str(thing) for thing in things if not (shutil.which(thing) if isinstance(thing, str) else thing.exists())]
    if missing:
        raise Missing(f"missing: {', '.join(missing)}; `make test-clients-all` installs it")


def run(*command: str | Path, folder: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert result.returncode == 0, result.stdout


def contract() -> list[str]:
    """The files of the contract, as protoc wants them."""
    return sorted(str(path.relative_to(ROOT / "proto")) for path in ROOT.glob("proto/outboundtasks/v1/*.proto"))


def go(folder: Path) -> dict[str, list[str]]:
    """The commands `example` and `driver`. Debian's packages have no modules, so the sources go into a GOPATH."""
    need("go", "gofmt", "protoc", "protoc-gen-go", "protoc-gen-go-grpc", *GO_NEEDS)
    sources = folder / "src/outboundtasks"
    shutil.copytree(ROOT / "clients/go", sources)
    run("protoc", f"-I{ROOT}/proto", f"--go_out={folder}/src", f"--go-grpc_out={folder}/src", *contract())
    environment = {"GOPATH": f"{folder}:{GO_SOURCES.parent}", "GO111MODULE": "off", "GOFLAGS": ""}
    packages = ["outboundtasks", "outboundtasks/example", "outboundtasks/driver"]
    run("go", "vet", *packages, environment=environment)
    run("go", "build", "-o", f"{folder}/bin/", *packages[1:], environment=environment)
    formatted = subprocess.run(["gofmt", "-l", ROOT / "clients/go"], capture_output=True, text=True, check=True)
    assert formatted.stdout == "", f"not formatted: {formatted.stdout}"
    return {name: [str(folder / "bin" / name)] for name in ("example", "driver")}


JARS = Path("/usr/share/java")
NETTY = ("buffer", "codec", "codec-http", "codec-http2", "common", "handler", "resolver", "transport")
JAVA_NEEDS = [
    *(JARS / f"netty-{name}.jar" for name in NETTY),
    *(JARS / f"grpc-{name}.jar" for name in ("api", "context", "core", "netty", "protobuf", "protobuf-lite", "stub")),
    JARS / "protobuf.jar",
    JARS / "protobuf-util.jar",
    JARS / "proto-google-common-protos.jar",
    JARS / "perfmark-api.jar",
    JARS / "guava.jar",
    JARS / "gson.jar",
    JARS / "error-prone-annotations.jar",
]


def java(folder: Path) -> dict[str, list[str]]:
    """The commands `example` and `driver`. Maven's repository is not asked."""
    need("javac", "java", "protoc", "grpc_java_plugin", *JAVA_NEEDS)
    generated, classes = folder / "generated", folder / "classes"
    generated.mkdir()
    out = [f"--java_out={generated}", f"--grpc-java_out={generated}"]
    plugin = f"--plugin=protoc-gen-grpc-java={shutil.which('grpc_java_plugin')}"
    run("protoc", f"-I{ROOT}/proto", plugin, *out, *contract())
    # Debian's google.rpc is older than ErrorInfo.
    details = (ROOT / "web/client/proto/google/rpc/error_details.proto").read_text(encoding="utf-8")
    options = 'package google.rpc;\noption java_multiple_files = true;\noption java_package = "com.google.rpc";\n'
    (folder / "error_details.proto").write_text(details.replace("package google.rpc;\n", options), encoding="utf-8")
    run("protoc", f"-I{folder}", f"--java_out={generated}", "error_details.proto", folder=folder)
    jars = ":".join(map(str, JAVA_NEEDS))
    sources = sorted(str(path) for base in (generated, ROOT / "clients/java/src") for path in base.rglob("*.java"))
    # Generated code has an annotation that Java 17 does not have.
    annotation = folder / "javax/annotation/Generated.java"
    annotation.parent.mkdir(parents=True)
    annotation.write_text("package javax.annotation;\npublic @interface Generated { String value(); String comments(); }\n")
    run("javac", "-nowarn", "-encoding", "UTF-8", "-d", str(classes), "-cp", jars, str(annotation), *sources)
    path = f"{classes}:{jars}"
    return {
        name: ["java", "-cp", path, f"com.outboundtasks.example.{name.capitalize()}"] for name in ("example", "driver")
    }
