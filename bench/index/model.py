"""The word vectors for semble: those that Naestro ships, as a Model2Vec folder, written by the tool that made them."""

import hashlib
import subprocess
import sys
from pathlib import Path

from bench.index.peers import NoPeers
from bench.stand import ROOT
from naestro.config import cache

SHIPPED = "core/naestro/index/embed/static.safetensors"
WRITE_S = 120


def semble_model() -> Path:
    """The folder, made once for each table that is shipped. Raises `NoPeers`."""
    table = hashlib.sha256((ROOT / SHIPPED).read_bytes()).hexdigest()
    folder = cache() / "bench" / f"semble-model-{table[:12]}"
    if not (folder / "model.safetensors").exists():
        command = [sys.executable, "-m", "tools.static_embedding", "--model2vec", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WRITE_S, check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["it gave no reason"]
            raise NoPeers(f"semble's model cannot be written: {said[-1]}")
    return folder
