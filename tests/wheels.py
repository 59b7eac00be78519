"""Tiny packages, built by the tests that need them: wheels in a folder that uv is told to look in."""

import base64
import hashlib
import zipfile


def make_wheel(folder, name, version, requires=(), text="", scripts=()):
    """Write a wheel with one module, which knows its version; `scripts` are console scripts that print it."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {item}" for item in requires),
    ]
    files = {
        f"{module}.py": f'__version__ = "{version}"\n\n\ndef say():\n    print(__version__)\n{text}',
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if scripts:
        lines = [f"{script} = {module}:say" for script in scripts]
        files[f"{info}/entry_points.txt"] = "\n".join(["[console_scripts]", *lines]) + "\n"
    record = "".join(f"{path},sha256={_sha256(body)},{len(body.encode())}\n" for path, body in files.items())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, body in files.items():
            archive.writestr(zipfile.ZipInfo(place), body)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), f"{record}{info}/RECORD,,\n")
    return path


def _sha256(body):
    return base64.urlsafe_b64encode(hashlib.sha256(body.encode()).digest()).rstrip(b"=").decode()
