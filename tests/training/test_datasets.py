"""Data for training: every edition comes back exactly, damage and strangers' pickles end in one FileError."""

import ast
import gzip
import hashlib
import io
import os
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.errors import FileError, NeurosimError

try:
    from neurosim.training.datasets import archive, cifar, load_dataset, load_mnist
    from neurosim.training.datasets.dataset import held_out
    from neurosim.training.datasets.editions import EDITIONS, edition_of
    from neurosim.training.datasets.mnist import IDX_FILES
    from neurosim.training.datasets.pickled import unpickled
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    pytest.skip("needs the extra: pip install -e '.[train]'", allow_module_level=True)

CIFAR_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_100 = tuple(f"fine_{i}" for i in range(100))
SPLIT_BEGINS = [4013, 23840, 29603, 43011, 58703]
SPLIT_SHA256 = "d377a1e1917609cf7043144be63f28a984422f45828453dedc2503247a2c2cc9"


def refusal(path, **options):
    """The problems for which *path* is refused."""
    with pytest.raises(FileError) as caught:
        load_dataset(path, **{"validation": 4, "checked": False} | options)
    assert caught.value.subject
    return caught.value.problems


def assert_holds(dataset, train, test, validation, seed):
    """The splits are the images and labels *train*, drawn by *seed*, and *test*."""
    order = np.random.default_rng(seed).permutation(len(train[1]))
    expected = {"validation": order[:validation], "train": order[validation:]}
    for part, index in expected.items():
        assert (getattr(dataset, part).images[:] == train[0][index]).all()
        assert getattr(dataset, part).labels.tolist() == train[1][index].tolist()
    assert (dataset.test.images[:] == test[0]).all() and dataset.test.labels.tolist() == test[1].tolist()
    for part in (dataset.train, dataset.validation, dataset.test):
        assert part.labels.dtype == np.int64 and part.images[:].dtype == np.uint8
        assert len(part.images) == len(part.labels) and part.images.shape == (len(part.labels), *dataset.shape)


# ---------------------------------------------------------------- the split


@given(st.integers(1, 300), st.data(), st.integers(0, 2**32 - 1))
def test_the_split_is_disjoint_complete_and_a_function_of_the_seed(count, data, seed):
    validation = data.draw(st.integers(0, count))
    kept, held = held_out(count, validation, seed)
    assert len(held) == validation
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(count))
    again = held_out(count, validation, seed)
    assert (again[0] == kept).all() and (again[1] == held).all()


def test_another_seed_is_another_split():
    assert held_out(1000, 500, 0)[1].tolist() != held_out(1000, 500, 1)[1].tolist()


def test_the_split_never_moves():
    """Published accuracies belong to these images."""
    kept, held = held_out(60_000, 5000, 0)
    digest = hashlib.sha256(np.concatenate([held, kept]).astype("<i8").tobytes()).hexdigest()
    assert held[:5].tolist() == SPLIT_BEGINS and digest == SPLIT_SHA256


# ---------------------------------------------------------------- MNIST


def small_mnist(folder, images=260, test=40):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, images + test).astype(np.uint8)
    data = rng.integers(0, 256, (images + test, 28, 28)).astype(np.uint8)
    parts = {"x_train": data[:images], "y_train": labels[:images], "x_test": data[images:], "y_test": labels[images:]}
    path = folder / "small.npz"
    np.savez(path, **parts)
    return path, parts


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(folder, parts, zipped):
    folder.mkdir()
    for key, name in IDX_FILES.items():
        data = idx(parts[key])
        (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data) if zipped else data)


@pytest.mark.parametrize("load", [load_mnist, load_dataset])
@pytest.mark.parametrize("form", ["npz", "idx", "idx.gz"])
def test_mnist_comes_back_exactly(tmp_path, load, form):
    path, parts = small_mnist(tmp_path)
    if form != "npz":
        path = tmp_path / "idx"
        write_idx(path, parts, form == "idx.gz")
    dataset = load(path, 3, 60)
    train, test = (parts["x_train"][:, None], parts["y_train"]), (parts["x_test"][:, None], parts["y_test"])
    assert_holds(dataset, train, test, 60, 3)
    assert (dataset.name, dataset.classes, dataset.shape) == ("MNIST", 10, (1, 28, 28))
    assert dataset.class_names == tuple("0123456789") and dataset.mean is None and dataset.std is None


def test_5000_images_are_held_out_of_mnist_by_default(tmp_path):
    path, _ = small_mnist(tmp_path, images=5003)
    assert [len(load(path).train.labels) for load in (load_mnist, load_dataset)] == [3, 3]


def test_mnist_needs_no_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert load_dataset(small_mnist(tmp_path)[0], validation=60).name == "MNIST"


def damage_truncated(folder, parts):
    path = folder / IDX_FILES["x_train"]
    path.write_bytes(path.read_bytes()[:-7])


def damage_head(folder, parts):
    path = folder / IDX_FILES["x_train"]
    path.write_bytes(path.read_bytes()[:9])


def damage_overflow(folder, parts):
    head = bytes([0, 0, 8, 3]) + np.array([1 << 31, 1 << 31, 4], ">u4").tobytes()
    (folder / IDX_FILES["x_train"]).write_bytes(head)


def damage_magic(folder, parts):
    path = folder / IDX_FILES["y_test"]
    path.write_bytes(b"\0\0\x0d\1" + path.read_bytes()[4:])


def damage_missing(folder, parts):
    (folder / IDX_FILES["y_train"]).unlink()


def damage_label(folder, parts):
    (folder / IDX_FILES["y_train"]).write_bytes(idx(np.full_like(parts["y_train"], 10)))


def damage_shape(folder, parts):
    (folder / IDX_FILES["x_test"]).write_bytes(idx(parts["x_test"][:, :20]))


@pytest.mark.parametrize("load", [load_mnist, load_dataset])
@pytest.mark.parametrize(
    ("damage", "words"),
    [(damage_truncated, "truncated"), (damage_head, "truncated"), (damage_overflow, "truncated"),
     (damage_magic, "magic number"), (damage_missing, "is missing"), (damage_label, "0..9"),
     (damage_shape, r"\[40, 20, 28\]")],
)  # fmt: skip
def test_damaged_idx_files_are_refused_with_the_reason(tmp_path, damage, words, load):
    _, parts = small_mnist(tmp_path)
    write_idx(tmp_path / "idx", parts, False)
    damage(tmp_path / "idx", parts)
    with pytest.raises(FileError, match=words):
        load(tmp_path / "idx", 0, 60)


def test_all_problems_of_idx_files_come_at_once(tmp_path):
    _, parts = small_mnist(tmp_path)
    write_idx(tmp_path / "idx", parts, False)
    for damage in (damage_truncated, damage_magic, damage_missing):
        damage(tmp_path / "idx", parts)
    assert len(refusal(tmp_path / "idx")) == 3


def test_damaged_npz_files_are_refused_with_the_reason(tmp_path):
    path, parts = small_mnist(tmp_path)
    np.savez(tmp_path / "short.npz", x_train=parts["x_train"])
    np.savez(tmp_path / "flat.npz", **parts | {"x_train": np.uint8(3)})
    np.save(tmp_path / "single.npy", parts["x_train"])
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:500])
    (tmp_path / "empty.npz").write_bytes(b"")
    for name, words in [
        ("short", "'y_test' is missing"), ("cut", "cannot be read"), ("none", "does not exist"), ("single", "cannot be read"),
        ("small", "too few"), ("flat", r"uint8 \[\]"), ("empty", "cannot be read"),
    ]:  # fmt: skip
        for load in (load_mnist, load_dataset):
            with pytest.raises(FileError, match=words):
                load(tmp_path / f"{name}.npz")


def test_compressed_files_that_cannot_be_unpacked_are_refused(tmp_path):
    """Their first block is of type 3, which DEFLATE does not know."""
    _, parts = small_mnist(tmp_path)
    np.savez_compressed(tmp_path / "a.npz", **parts)
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        first = file.infolist()[0]
    whole = (tmp_path / "a.npz").read_bytes()
    start = 30 + sum(struct.unpack_from("<HH", whole, 26))
    assert first.header_offset == 0
    (tmp_path / "a.npz").write_bytes(whole[:start] + b"\7" + whole[start + 1 :])
    assert "cannot be read as .npz: damaged" in refusal(tmp_path / "a.npz")[0]
    write_idx(tmp_path / "idx", parts, True)
    path = tmp_path / "idx" / f"{IDX_FILES['x_test']}.gz"
    path.write_bytes(path.read_bytes()[:10] + b"\7" + path.read_bytes()[11:])
    assert "cannot be read: Error -3" in refusal(tmp_path / "idx")[0]


def test_no_pickled_array_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.npz", "w") as file:
        for name in IDX_FILES:
            buffer = io.BytesIO()
            np.save(buffer, np.array([Touch(tmp_path / "touched")], object), allow_pickle=True)
            file.writestr(f"{name}.npy", buffer.getvalue())
    assert "cannot be read as .npz" in refusal(tmp_path / "evil.npz")[0]
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("validation", [-1, 260, 10**9])
def test_a_validation_split_that_cannot_be_is_refused(tmp_path, validation):
    path, _ = small_mnist(tmp_path)
    assert str(validation) in refusal(path, validation=validation)[0]


# ---------------------------------------------------------------- CIFAR


class Touch:
    """Creates *path* wherever it is unpickled carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def python2(value, module="numpy.core.multiarray"):
    """What cPickle of Python 2 writes with protocol 2 (its text is bytes), by hand."""
    return b"\x80\x02" + _python2(value, module) + b"."


def _python2(value, module):
    if isinstance(value, bytes):
        return b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(_python2(v, module) for v in value) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_python2(k, module) + _python2(v, module) for k, v in value.items()) + b"u"
    shape = b"(" + b"".join(_python2(n, module) for n in value.shape) + b"t"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    fortran = value.flags.f_contiguous and not value.flags.c_contiguous
    content = _python2(value.tobytes("F" if fortran else "C"), module)
    new = f"c{module}\n_reconstruct\n".encode() + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return new + b"(K\x01" + shape + dtype + (b"\x88" if fortran else b"\x89") + content + b"tb"


PICKLERS = {
    "python2": python2,
    "numpy2": lambda value: python2(value, "numpy._core.multiarray"),
    "fortran": lambda value: python2({k: np.asfortranarray(v) if k == b"data" else v for k, v in value.items()}),
    "protocol 0": lambda value: pickle.dumps(value, 0),
    "protocol 2": lambda value: pickle.dumps(value, 2),
    "protocol 3": lambda value: pickle.dumps(value, 3),
    "protocol 4": lambda value: pickle.dumps(value, 4),
    "text keys": lambda value: pickle.dumps({k.decode(): v for k, v in value.items()}, 4),
}


class Cifar:
    """A tiny data set in all four editions. train, test: (uint8 [N, 3, 32, 32], int64 [N])."""

    def __init__(self, edition, per_batch=3, test=5):
        self.edition, rng = edition, np.random.default_rng(len(edition.archive))
        self.names = CIFAR_10 if edition.classes == 10 else CIFAR_100
        self.batches = {}
        for name in edition.batches:
            count = test if name == edition.test else per_batch * (6 - len(edition.train))
            images = rng.integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)
            self.batches[name] = images, rng.integers(0, edition.classes, count)
        train = [self.batches[name] for name in edition.train]
        self.train = np.concatenate([x for x, _ in train]), np.concatenate([y for _, y in train])
        self.test = self.batches[edition.test]

    def files(self, pickler="python2"):
        """{name: content} as published."""
        files = {name: self.batch(*columns, pickler) for name, columns in self.batches.items()}
        return files | {self.edition.names: self.name_file(self.names, pickler)}

    def batch(self, images, labels, pickler="python2"):
        binary, wide = "binary" in self.edition.archive, self.edition.classes == 100
        if binary:
            coarse = [labels // 5] if wide else []
            return np.column_stack([*coarse, labels, images.reshape(len(images), -1)]).astype(np.uint8).tobytes()
        content = {b"batch_label": b"training batch 1 of 5", b"data": images.reshape(len(images), -1)}
        content |= {b"filenames": [b"a.png"] * len(images)}
        if wide:
            content |= {b"coarse_labels": (labels // 5).tolist()}
        return PICKLERS[pickler](content | {b"fine_labels" if wide else b"labels": labels.tolist()})

    def name_file(self, names, pickler="python2"):
        if "binary" in self.edition.archive:
            return ("\n".join(names) + "\n\n").encode()
        key = b"label_names" if self.edition.classes == 10 else b"fine_label_names"
        return PICKLERS[pickler]({b"num_vis": 3072, key: [name.encode() for name in names]})


def packed(path, files, folder="cifar-batches"):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def unpacked(path, files):
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


@pytest.fixture(params=EDITIONS, ids=lambda edition: edition.archive.removesuffix(".tar.gz"))
def data(request):
    return Cifar(request.param)


@pytest.fixture
def ten():
    return Cifar(EDITIONS[0])


@pytest.mark.parametrize("pickler", PICKLERS)
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_every_edition_comes_back_exactly(tmp_path, data, form, pickler):
    files = data.files(pickler) | {"readme.html": b"<html>", "file.txt~": b""}
    path = packed(tmp_path / "renamed.bin", files) if form == "archive" else unpacked(tmp_path / "folder", files)
    dataset = load_dataset(path, seed=7, validation=4, checked=False)
    assert_holds(dataset, data.train, data.test, 4, 7)
    assert (dataset.classes, dataset.class_names, dataset.shape) == (len(data.names), data.names, (3, 32, 32))


def test_kinds_carry_their_name_and_normalisation(tmp_path, data):
    dataset = load_dataset(unpacked(tmp_path / "c", data.files()), validation=4, checked=False)
    assert (dataset.name, dataset.mean, dataset.std) == {
        10: ("CIFAR-10", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        100: ("CIFAR-100", (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    }[data.edition.classes]


def test_red_comes_first_and_rows_run_to_the_right(tmp_path, data):
    image = np.zeros((1, 3, 32, 32), np.uint8)
    image[0, 0, 0, 1], image[0, 1, 2, 0], image[0, 2, 31, 31] = 10, 20, 30
    files = data.files() | {data.edition.test: data.batch(image, np.array([3]))}
    found = load_dataset(packed(tmp_path / "a.tar.gz", files), validation=4, checked=False).test.images[0]
    assert (found[0, 0, 1], found[1, 2, 0], found[2, 31, 31], int(found.sum())) == (10, 20, 30, 60)


def test_the_published_sums():
    assert {edition.archive: edition.md5 for edition in EDITIONS} == {
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
    }


def test_another_sum_is_refused_with_both_and_the_way_out(tmp_path, data):
    path = packed(tmp_path / "a.tar.gz", data.files())
    problems = refusal(path, checked=True)
    assert len(problems) == 1 and "--unchecked-data" in problems[0] and "download it again" in problems[0]
    assert hashlib.md5(path.read_bytes()).hexdigest() in problems[0] and data.edition.md5 in problems[0]


def test_nothing_is_unpickled_before_the_sum_is_right(tmp_path, ten, monkeypatch):
    monkeypatch.setattr(cifar, "_read", lambda *_: pytest.fail("read an archive with a wrong sum"))
    refusal(packed(tmp_path / "a.tar.gz", ten.files()), checked=True)


def test_the_right_sum_is_accepted_and_the_images_counted(tmp_path, data, monkeypatch):
    path = packed(tmp_path / "a.tar.gz", data.files())
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar, "edition_of", lambda names: replace(data.edition, md5=md5))
    problems = refusal(path, checked=True)
    assert len(problems) == 2 and "15 train images" in problems[0] and "5 test images" in problems[1]
    monkeypatch.setattr(cifar, "IMAGES", {"train": 15, "test": 5})
    assert len(load_dataset(path, validation=4).train.labels) == 11


def test_the_images_of_a_folder_are_counted(tmp_path, data):
    problems = refusal(unpacked(tmp_path / "c", data.files()), checked=True)
    assert len(problems) == 2 and all("--unchecked-data" in p for p in problems)


def test_5000_images_are_held_out_of_cifar_by_default(tmp_path, ten):
    assert "validation split of 5000" in refusal(unpacked(tmp_path / "c", ten.files()), validation=None)[0]


def test_an_edition_is_recognised_by_most_of_its_files():
    for edition in EDITIONS:
        assert edition_of(edition.files) is edition
        assert edition_of([*edition.files, "train", "data_batch_1.bin"][1:]) is edition
    assert edition_of([]) is None and edition_of(["readme.html"]) is None


def test_an_archive_of_something_else_is_refused(tmp_path):
    path = packed(tmp_path / "cifar-10-python.tar.gz", {"data_batch_9": b"", "notes.txt": b"hello"})
    assert "none of the files" in refusal(path)[0]


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_every_missing_file_is_named(tmp_path, data, form):
    for name in data.edition.files:
        files = {n: c for n, c in data.files().items() if n != name}
        path = packed(tmp_path / "a.tar.gz", files) if form == "archive" else unpacked(tmp_path / name, files)
        problems = refusal(path)
        assert len(problems) == 1 and f"{name} is missing" in problems[0]


def test_paths_in_an_archive_are_ignored(tmp_path, data):
    folder = tmp_path / "below"
    folder.mkdir()
    path = packed(folder / "a.tar.gz", data.files(), folder="../../..//etc/./x")
    assert_holds(load_dataset(path, validation=4, checked=False), data.train, data.test, 4, 0)
    assert [p.name for p in folder.iterdir()] == ["a.tar.gz"] and [p.name for p in tmp_path.iterdir()] == ["below"]


def test_links_and_folders_in_an_archive_are_not_files(tmp_path, ten):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        for name, kind in zip(ten.edition.files, [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE] * 3, strict=False):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            file.addfile(member)
    assert "none of the files" in refusal(tmp_path / "a.tar.gz")[0]


def test_a_name_twice_is_refused(tmp_path, ten):
    files = ten.files()
    path = packed(tmp_path / "a.tar.gz", files | {f"other/{ten.edition.test}": files[ten.edition.test]})
    assert "test_batch twice" in refusal(path)[0]


def test_an_oversized_member_is_refused_before_it_is_read(tmp_path, ten, monkeypatch):
    member = tarfile.TarInfo("x/data_batch_1")
    member.size = 1 << 40
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT)))
    assert f"data_batch_1 has {1 << 40} bytes" in refusal(path)[0]
    monkeypatch.setattr(archive, "MEMBER_BYTES", 1000)
    assert len(refusal(unpacked(tmp_path / "c", ten.files()))) == 6


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, ten, monkeypatch):
    path = packed(tmp_path / "a.tar.gz", {"padding": bytes(200_000)} | ten.files())
    monkeypatch.setattr(archive, "TOTAL_BYTES", 100_000)
    assert "more than 100000 bytes" in refusal(path)[0]


def cuts(size, count=60):
    """Positions to truncate at: some at random, and the ends, where checksums lie."""
    inner = np.random.default_rng(size).integers(0, size, count).tolist()
    return [*inner, *range(12), *range(size - 12, size)]


def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path, data):
    whole = packed(tmp_path / "a.tar.gz", data.files()).read_bytes()
    path = tmp_path / "cut.tar.gz"
    for cut in cuts(len(whole)):
        path.write_bytes(whole[:cut])
        assert refusal(path)


def test_a_truncated_tar_in_a_whole_gzip_is_refused(tmp_path, data):
    whole = gzip.decompress(packed(tmp_path / "a.tar.gz", data.files()).read_bytes())
    end = len(whole.rstrip(b"\0"))
    for cut in cuts(end):
        (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(whole[:cut], 1))
        assert refusal(tmp_path / "cut.tar.gz")


def test_an_archive_that_cannot_be_unpacked_is_refused(tmp_path):
    """Its second block is of type 3, which DEFLATE does not know."""
    tar = gzip.decompress(packed(tmp_path / "a.tar.gz", {"test_batch": bytes(1_000_000)}).read_bytes())
    deflate = zlib.compressobj(wbits=31)
    path = tmp_path / "b.tar.gz"
    path.write_bytes(deflate.compress(tar[:500_000]) + deflate.flush(zlib.Z_FULL_FLUSH) + bytes([7] * 20))
    assert "cannot be read as .tar.gz: Error -3" in refusal(path)[0]


@settings(max_examples=150)
@given(st.sampled_from(EDITIONS), st.data())
def test_a_flipped_bit_of_an_archive_is_noticed_or_harmless(tmp_path_factory, edition, draw):
    data, folder = Cifar(edition, per_batch=1, test=1), tmp_path_factory.mktemp("flip")
    whole = bytearray(packed(folder / "a.tar.gz", data.files()).read_bytes())
    whole[draw.draw(st.integers(0, len(whole) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    (folder / "b.tar.gz").write_bytes(whole)
    try:
        dataset = load_dataset(folder / "b.tar.gz", validation=2, checked=False)
    except FileError:
        return
    assert_holds(dataset, data.train, data.test, 2, 0)


@settings(max_examples=300)
@given(st.sampled_from(EDITIONS[::2]), st.sampled_from([*PICKLERS]), st.data())
def test_a_damaged_pickle_gives_a_file_error_or_a_data_set(tmp_path_factory, edition, pickler, draw):
    """The bytes hit are those around the arrays, where the opcodes are."""
    data, folder = Cifar(edition, per_batch=1, test=1), tmp_path_factory.mktemp("damage")
    files = data.files(pickler)
    name = draw.draw(st.sampled_from(data.edition.files))
    content = bytearray(files[name])
    near = [i for i in range(len(content)) if i < 300 or i > len(content) - 300]
    for position in draw.draw(st.lists(st.sampled_from(near), min_size=1, max_size=3)):
        content[position] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.sampled_from([len(content), draw.draw(st.sampled_from(near))]))
    unpacked(folder, files | {name: bytes(content[:cut])})
    try:
        load_dataset(folder, validation=2, checked=False)
    except FileError as error:
        assert error.problems


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_pickle_give_a_dictionary_or_a_value_error(content):
    try:
        assert isinstance(unpickled(content), dict)
    except ValueError as error:
        assert "pickle" in str(error) or "dictionary" in str(error)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["data_batch_3", "batches.meta"])
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_a_pickle_that_runs_a_command_is_refused_and_does_not(tmp_path, ten, protocol, place, form):
    evil = pickle.dumps({b"labels": [1], b"label_names": Touch(tmp_path / "touched")}, protocol)
    files = ten.files() | {place: evil}
    path = packed(tmp_path / "a.tar.gz", files) if form == "archive" else unpacked(tmp_path / "c", files)
    problems = refusal(path)
    assert len(problems) == 1 and place in problems[0] and "system" in problems[0] and "not run" in problems[0]
    assert not (tmp_path / "touched").exists()
    pickle.loads(evil)
    assert (tmp_path / "touched").exists()


def call(module, name, arguments=b")"):
    return b"\x80\x02}(U\x04dataq\x00" + f"c{module}\n{name}\n".encode() + arguments + b"Ru."


@pytest.mark.parametrize(
    ("content", "words"),
    [(call("builtins", "eval", b"(X\x03\0\0\x001+1t"), "builtins.eval"),
     (call("__builtin__", "getattr"), "__builtin__.getattr"),
     (call("numpy", "load"), "numpy.load"),
     (call("numpy", "ndarray.tofile"), "numpy.ndarray.tofile"),
     (call("numpy", "ndarray", b"(K\x05t"), "calls numpy.ndarray"),
     (call("numpy", "dtype", b"(U\x01Ot"), "only uint8"),
     (call("numpy", "dtype", b"(U\x02i4t"), "only uint8"),
     (call("_codecs", "decode"), "_codecs.decode"),
     (call("_codecs", "encode", b"(X\x01\0\0\0aX\x05\0\0\0rot13t"), "only latin1"),
     (b"\x80\x02c_codecs\nencode\nN}X\x05\0\0\0_call" b"Ns\x86b.", "attributes of a function"),
     (b"\x80\x02cnumpy\nndarray\n)\x81.", "damaged"),
     (b"\x80\x02U\x01aQ.", "persistent"),
     (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
     (b"(S'touch x'\nios\nsystem\n.", "os.system"),
     (b"\x80\x02\x82\x01.", "damaged"),
     (pickle.dumps([1, 2], 2), "holds a list"), (b"", "damaged"), (b"\x80\x02}", "damaged"), (b"\x80\x63}.", "damaged")],
)  # fmt: skip
def test_what_arrays_of_uint8_do_not_need_is_refused(content, words):
    with pytest.raises(ValueError, match=words):
        unpickled(content)


def test_a_permitted_name_still_works_after_an_attack():
    with pytest.raises(ValueError, match="attributes"):
        unpickled(b"\x80\x02c_codecs\nencode\nN}X\x05\0\0\0_callNs\x86b.")
    assert unpickled(pickle.dumps({b"a": b"\xff\0"}, 2)) == {"a": b"\xff\0"}


def wrong(source, **changes):
    """Content of a batch with *changes* to its entries; None removes one."""
    images, labels = source.test
    content = {"data": images.reshape(len(images), -1), "labels": labels.tolist()} | changes
    return python2({key.encode(): value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"data": None}, "'data' is missing"), ({"data": b"abc"}, "'data' is not an array"),
     ({"data": np.zeros((5, 100), np.uint8)}, r"'data' is uint8 \[5, 100\]"),
     ({"data": np.zeros(3072, np.uint8)}, r"'data' is uint8 \[3072\]"),
     ({"labels": None}, "'labels' is missing"), ({"labels": b"abcde"}, "needed: a list of integers"),
     ({"labels": [b"a"] * 5}, "needed: a list of integers"), ({"labels": [1, 2]}, "5 images and 2 labels"),
     ({"labels": [1, 2, 10, 3, 4]}, "span 1 to 10"), ({"labels": [1, 2, -1, 3, 4]}, "span -1 to 4"),
     ({"data": np.zeros((0, 3072), np.uint8), "labels": []}, "no test images")],
)  # fmt: skip
def test_a_batch_of_the_wrong_kind_is_refused_with_the_reason(tmp_path, ten, changes, words):
    files = ten.files() | {"test_batch": wrong(ten, **changes)}
    with pytest.raises(FileError, match=words):
        load_dataset(unpacked(tmp_path / "c", files), validation=4, checked=False)


def test_an_array_without_its_type_is_refused(ten):
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    content = wrong(ten)
    assert dtype in content
    with pytest.raises(ValueError, match="an array that is not uint8"):
        unpickled(content.replace(dtype, b"N"))


def test_bytes_that_do_not_fill_the_shape_are_refused(ten):
    content = wrong(ten).replace(b"(K\x01(J\x05", b"(K\x01(J\x06")
    with pytest.raises(ValueError, match=r"shape \(6, 3072\) with 15360 bytes"):
        unpickled(content)


@pytest.mark.parametrize("count", [0, 9, 11, 99])
def test_the_wrong_number_of_class_names_is_refused(tmp_path, data, count):
    files = data.files() | {data.edition.names: data.name_file([f"c{i}" for i in range(count)])}
    problems = refusal(unpacked(tmp_path / "c", files))
    assert len(problems) == 1 and f"wrong number of classes: {count}; CIFAR-{data.edition.classes}" in problems[0]


@pytest.mark.parametrize("edition", EDITIONS[1::2], ids=["10", "100"])
def test_binary_batches_of_the_wrong_kind_are_refused(tmp_path, edition):
    data = Cifar(edition)
    images, labels = data.test
    whole, above = data.files(), data.batch(images, np.full_like(labels, edition.classes))
    for content, words in [
        (whole[edition.test][:-1], "not a whole number of records"),
        (b"", "no test images"),
        (above, f"0..{edition.classes - 1}"),
    ]:
        assert words in refusal(packed(tmp_path / "a.tar.gz", whole | {edition.test: content}))[0]


def test_all_problems_of_cifar_come_at_once(tmp_path, ten):
    files = ten.files() | {"batches.meta": b"nonsense", "data_batch_2": b"", "test_batch": wrong(ten, labels=[77] * 5)}
    del files["data_batch_4"]
    problems = refusal(unpacked(tmp_path / "c", files))
    assert len(problems) == 4
    assert all(any(name in p for p in problems) for name in ("batches.meta", "data_batch_2", "data_batch_4", "test_batch"))


# ---------------------------------------------------------------- CIFAR as JPEGs


def jpeg_bytes(pixels, mode="RGB", kind="JPEG"):
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def decoded(content):
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)


def jpeg_arrays(count, seed, classes=CIFAR_10):
    """The arrays of a file and the images and labels in it. The third image is grey."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 4, 4, 3)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    files = [jpeg_bytes(p, "L" if i == 2 else "RGB") for i, p in enumerate(pixels)]
    labels = rng.integers(0, len(classes), count).astype(np.uint8)
    arrays = {"jpeg": np.frombuffer(b"".join(files), np.uint8), "labels": labels, "classes": np.array(classes)}
    arrays["offsets"] = np.cumsum([0, *map(len, files)])
    return arrays, (np.array([decoded(f) for f in files]), labels)


def jpeg_pair(folder, classes=CIFAR_10):
    folder.mkdir(exist_ok=True)
    (train, train_data), (test, test_data) = jpeg_arrays(12, 0, classes), jpeg_arrays(5, 1, classes)
    np.savez(folder / "tiny_train.npz", **train)
    np.savez(folder / "tiny_test.npz", **test)
    return train_data, test_data


@pytest.mark.parametrize("name", ["tiny_train.npz", "tiny_test.npz", "."])
@pytest.mark.parametrize("classes", [CIFAR_10, CIFAR_100], ids=["10", "100"])
def test_jpegs_come_back_as_pillow_decodes_them(tmp_path, name, classes):
    train, test = jpeg_pair(tmp_path / "pair", classes)
    dataset = load_dataset(tmp_path / "pair" / name, seed=5, validation=4)
    assert_holds(dataset, train, test, 4, 5)
    assert (dataset.name, dataset.class_names) == (f"CIFAR-{len(classes)}", classes)


def test_a_pure_red_jpeg_is_red_in_the_first_channel(tmp_path):
    arrays, _ = jpeg_arrays(3, 0)
    jpeg_pair(tmp_path)
    red = jpeg_bytes(np.broadcast_to(np.uint8([255, 0, 0]), (32, 32, 3)))
    arrays |= {"jpeg": np.frombuffer(red, np.uint8), "offsets": np.array([0, len(red)]), "labels": np.uint8([1])}
    np.savez(tmp_path / "tiny_test.npz", **arrays)
    means = load_dataset(tmp_path / "tiny_test.npz", validation=4).test.images[:].mean((0, 2, 3))
    assert means[0] > 250 and means[1] < 5 and means[2] < 5


def test_the_arrays_of_mnist_beside_a_pair_do_not_confuse_the_folder(tmp_path):
    jpeg_pair(tmp_path)
    small_mnist(tmp_path)
    assert load_dataset(tmp_path, validation=4).name == "CIFAR-10"
    assert load_dataset(tmp_path / "small.npz", validation=4).name == "MNIST"


@pytest.mark.parametrize("target", ["tiny_test.npz", "."])
def test_a_missing_partner_is_named(tmp_path, target):
    jpeg_pair(tmp_path)
    (tmp_path / "tiny_train.npz").unlink()
    assert "tiny_train.npz is missing" in refusal(tmp_path / target)[0]


def test_two_pairs_in_a_folder_are_refused(tmp_path):
    jpeg_pair(tmp_path)
    for part in ("train", "test"):
        (tmp_path / f"other_{part}.npz").write_bytes((tmp_path / f"tiny_{part}.npz").read_bytes())
    assert "holds 2 data sets" in refusal(tmp_path)[0]


def test_jpegs_under_another_name_are_refused(tmp_path):
    jpeg_pair(tmp_path)
    (tmp_path / "tiny_test.npz").rename(tmp_path / "tiny.npz")
    assert "rename" in refusal(tmp_path / "tiny.npz")[0]


def middle(offsets, value):
    changed = offsets.copy()
    changed[2] = value
    return changed


@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda a: {"offsets": middle(a["offsets"], a["offsets"][1])}, "offsets must increase"),
     (lambda a: {"offsets": middle(a["offsets"], 10**9)}, "beyond the"),
     (lambda a: {"offsets": middle(a["offsets"], -5)}, "-5 to"),
     (lambda a: {"offsets": a["offsets"] + 1}, "beyond the"),
     (lambda a: {"offsets": a["offsets"][:-1]}, "5 offsets and 5 labels"),
     (lambda a: {"offsets": np.zeros(0, np.int64)}, "0 offsets and 5 labels"),
     (lambda a: {"offsets": a["offsets"].astype(float)}, r"'offsets' is float64 \[6\]"),
     (lambda a: {"jpeg": a["jpeg"].astype(np.int64)}, r"'jpeg' is int64"),
     (lambda a: {"jpeg": a["jpeg"][None]}, r"needed: uint8 \[bytes\]"),
     (lambda a: {"labels": a["labels"] + 10}, "must lie in 0..9"),
     (lambda a: {"labels": a["labels"].astype(np.int64) - 10}, "must lie in 0..9"),
     (lambda a: {"labels": a["labels"][:, None]}, "needed: integers"),
     (lambda a: {"labels": np.zeros(0, np.uint8), "offsets": np.zeros(1, np.int64)}, "0 labels"),
     (lambda a: {"classes": a["classes"][:9], "labels": a["labels"] % 9}, "wrong number of classes: 9"),
     (lambda a: {"classes": a["classes"][::-1]}, "different classes"),
     (lambda a: {"classes": np.arange(10)}, "'classes' is int64"),
     (lambda a: {"jpeg": a["jpeg"] ^ np.uint8(1)}, "image 0 cannot be decoded")],
)  # fmt: skip
def test_jpegs_with_wrong_arrays_are_refused_with_the_reason(tmp_path, change, words):
    jpeg_pair(tmp_path)
    arrays, _ = jpeg_arrays(5, 1)
    np.savez(tmp_path / "tiny_test.npz", **arrays | change(arrays))
    with pytest.raises(FileError, match=words):
        load_dataset(tmp_path / "tiny_train.npz", validation=4)


def with_image(folder, part, position, content):
    """Replaces one image of a file of the pair by *content*."""
    with np.load(folder / f"tiny_{part}.npz") as file:
        arrays = dict(file)
    offsets, data = arrays["offsets"], arrays["jpeg"].tobytes()
    files = [data[a:b] for a, b in pairwise(offsets)]
    files[position] = content(files[position])
    arrays |= {"jpeg": np.frombuffer(b"".join(files), np.uint8), "offsets": np.cumsum([0, *map(len, files)])}
    np.savez(folder / f"tiny_{part}.npz", **arrays)


def test_every_corrupt_jpeg_of_both_files_is_named_by_its_index(tmp_path):
    jpeg_pair(tmp_path)
    with_image(tmp_path, "train", 7, lambda f: f[:-10])
    with_image(tmp_path, "train", 9, lambda f: b"no picture")
    with_image(tmp_path, "test", 3, lambda f: jpeg_bytes(np.zeros((16, 32, 3), np.uint8)))
    with_image(tmp_path, "test", 4, lambda f: jpeg_bytes(np.zeros((32, 32, 3), np.uint8), kind="PNG"))
    problems = refusal(tmp_path)
    expected = [("train", 7, "decoded"), ("train", 9, "decoded"), ("test", 3, "is 32 x 16 pixels"), ("test", 4, "decoded")]
    assert len(problems) == 4
    for problem, (part, index, words) in zip(problems, expected, strict=True):
        assert f"tiny_{part}.npz: image {index} " in problem and words in problem


def test_a_few_of_many_corrupt_jpegs_are_shown(tmp_path):
    jpeg_pair(tmp_path)
    arrays, _ = jpeg_arrays(12, 0)
    np.savez(tmp_path / "tiny_train.npz", **arrays | {"jpeg": np.zeros_like(arrays["jpeg"])})
    problems = refusal(tmp_path)
    assert len(problems) == 6 and problems[-1].endswith("and 7 more images")


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_or_cut_npz_gives_a_file_error_or_a_data_set(tmp_path_factory, draw):
    folder = tmp_path_factory.mktemp("npz")
    jpeg_pair(folder)
    whole = bytearray((folder / "tiny_train.npz").read_bytes())
    whole[draw.draw(st.integers(0, len(whole) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    cut = draw.draw(st.sampled_from([len(whole), draw.draw(st.integers(0, len(whole)))]))
    (folder / "tiny_train.npz").write_bytes(whole[:cut])
    try:
        load_dataset(folder, validation=4)
    except FileError as error:
        assert error.problems


# ---------------------------------------------------------------- image folders


def image_folder(root, sizes=((40, 30), (30, 40), (32, 32), (90, 33)), second="val"):
    """{class: paths} with pictures of *sizes* (width, height) in two classes, JPEG and PNG."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for part in ("train", second):
        for name in ("n02", "n01"):
            folder = root / part / name
            folder.mkdir(parents=True)
            (folder / "notes.txt").write_text("not a picture")
            for i, (width, height) in enumerate(sizes):
                pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
                image.fromarray(pixels).save(folder / f"{name}_{i}.{('png', 'JPEG', 'jpg', 'PNG')[i % 4]}")
    return root


def prepared(path, side):
    """The naive twin: resize the shorter side, cut out the centre."""
    image = pytest.importorskip("PIL.Image")
    picture = image.open(path).convert("RGB")
    scale = round(side * 256 / 224) / min(picture.size)
    picture = picture.resize([int(n * scale + 1e-9) for n in picture.size], image.Resampling.BILINEAR)
    left, top = (round((n - side) / 2) for n in picture.size)
    return np.asarray(picture)[top : top + side, left : left + side].transpose(2, 0, 1)


def expected_folder(root, part, side):
    paths = [p for p in sorted((root / part).rglob("*")) if p.suffix not in ("", ".txt")]
    return np.array([prepared(p, side) for p in paths]), np.array([int(p.parent.name == "n02") for p in paths])


@pytest.mark.parametrize("second", ["val", "test"])
@pytest.mark.parametrize("side", [16, 28, 33])
def test_a_folder_comes_back_resized_and_cropped(tmp_path, second, side):
    root = image_folder(tmp_path, second=second)
    dataset = load_dataset(root, seed=2, validation=3, image_size=side)
    assert_holds(dataset, expected_folder(root, "train", side), expected_folder(root, second, side), 3, 2)
    assert (dataset.name, dataset.classes, dataset.class_names) == ("ImageNet folder", 2, ("n01", "n02"))
    assert (dataset.mean, dataset.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_classes_are_numbered_in_order_of_their_names(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in "cadbe":
        for part in ("train", "val"):
            (tmp_path / part / name).mkdir(parents=True)
            image.new("L", (8, 8), ord(name)).save(tmp_path / part / name / "x.png")
    dataset = load_dataset(tmp_path, image_size=4)
    assert dataset.class_names == tuple("abcde")
    assert dataset.test.images[:][:, 0, 0, 0].tolist() == [*b"abcde"] and dataset.test.labels.tolist() == [0, 1, 2, 3, 4]


def test_val_is_the_test_split_where_there_are_both(tmp_path):
    root = image_folder(tmp_path)
    (root / "test" / "unsorted").mkdir(parents=True)
    assert len(load_dataset(root, image_size=16).test.labels) == 8


def test_the_default_side_is_224(tmp_path):
    assert load_dataset(image_folder(tmp_path)).shape == (3, 224, 224)


@pytest.mark.parametrize(("count", "held"), [(1, 1), (5, 1), (11, 2)])
def test_a_tenth_of_a_folder_is_held_out_by_default(tmp_path, count, held):
    dataset = load_dataset(image_folder(tmp_path, sizes=((8, 8),) * count), image_size=4)
    assert (len(dataset.validation.labels), len(dataset.train.labels)) == (held, 2 * count - held)


@pytest.fixture(scope="module")
def lazy(tmp_path_factory):
    return load_dataset(image_folder(tmp_path_factory.mktemp("lazy")), image_size=8).test.images


@settings(max_examples=40)
@given(draw=st.data())
def test_lazy_images_index_like_an_array(lazy, draw):
    whole = lazy[:]
    part = st.integers(-len(whole), len(whole) - 1)
    index = draw.draw(
        st.one_of(st.slices(len(whole)), st.lists(part, max_size=5).map(lambda x: np.array(x, np.int64)), part)
    )  # fmt: skip
    assert lazy[index].shape == whole[index].shape and (lazy[index] == whole[index]).all()


def test_grey_and_transparent_pictures_become_rgb(tmp_path):
    image = pytest.importorskip("PIL.Image")
    root = image_folder(tmp_path)
    for name, mode in (("grey", "L"), ("clear", "RGBA"), ("palette", "P"), ("bits", "1")):
        image.new(mode, (20, 20)).save(root / "val" / "n01" / f"{name}.png")
    assert load_dataset(root, image_size=8).test.images[:].shape == (12, 3, 8, 8)


def test_corrupt_pictures_are_named_when_they_are_read(tmp_path):
    root = image_folder(tmp_path)
    whole = (root / "val" / "n01" / "n01_1.JPEG").read_bytes()
    (root / "val" / "n01" / "n01_1.JPEG").write_bytes(whole[: len(whole) // 2])
    (root / "val" / "n02" / "n02_0.png").write_bytes(b"")
    test = load_dataset(root, image_size=8).test
    (root / "val" / "n02" / "n02_1.JPEG").unlink()
    assert test.images[2:4].shape == (2, 3, 8, 8)
    with pytest.raises(FileError) as caught:
        test.images[:]
    assert [p.split(",")[:2] for p in caught.value.problems] == [
        ["image 1", " val/n01/n01_1.JPEG"], ["image 4", " val/n02/n02_0.png"], ["image 5", " val/n02/n02_1.JPEG"]
    ]  # fmt: skip


def test_class_folders_that_differ_are_named(tmp_path):
    root = image_folder(tmp_path)
    (root / "train" / "n02").rename(root / "train" / "n03")
    for i in range(9):
        (root / "val" / f"m{i}").mkdir()
    problems = refusal(root)
    assert "class folder n03 in train/ but not in val/" in problems[0]
    assert "class folders m0, m1, m2, m3, m4 and 5 more in val/ but not in train/" in problems[1]
    assert "no .jpg, .jpeg, .png in val/" in problems[2] and len(problems) == 3


def test_folders_without_classes_or_second_part_are_refused(tmp_path):
    (tmp_path / "train").mkdir()
    assert "neither val/ nor test/" in refusal(tmp_path)[0]
    (tmp_path / "val").mkdir()
    assert "hold no class folders" in refusal(tmp_path)[0]


@pytest.mark.parametrize(("options", "words"), [({"image_size": 0}, "image size of 0"), ({"validation": 8}, "too few")])
def test_a_folder_with_options_that_cannot_be_is_refused(tmp_path, options, words):
    assert words in refusal(image_folder(tmp_path), **options)[0]


# ---------------------------------------------------------------- recognition


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    assert refusal(tmp_path / "none") == ("does not exist",)


@pytest.mark.parametrize("make", [
    lambda p: p.mkdir(), lambda p: p.write_text("hello"), lambda p: p.write_bytes(b""),
    lambda p: (p.mkdir(), (p / "notes.txt").write_text("x"), (p / "train.npz").write_text("x")),
    lambda p: p.write_bytes(npz_of(other=np.zeros(3))),
])  # fmt: skip
def test_what_is_not_recognised_is_told_what_would_be(tmp_path, make):
    make(tmp_path / "thing")
    problems = refusal(tmp_path / "thing")
    assert "not recognised" in problems[0]
    for words in ("MNIST", "CIFAR-10 or CIFAR-100", "*_train.npz", "train/<class>"):
        assert any(words in p for p in problems[1:])


def npz_of(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_file_that_cannot_be_read_is_a_file_error(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("no permission")

    path, _ = small_mnist(tmp_path)
    monkeypatch.setattr(Path, "open", refuse)
    assert "no permission" in refusal(path)[0]


def test_without_pillow_the_message_says_what_to_install(tmp_path, monkeypatch):
    jpeg_pair(tmp_path / "pair")
    image_folder(tmp_path / "folder")
    monkeypatch.setitem(sys.modules, "PIL", None)
    folder = load_dataset(tmp_path / "folder", validation=4)
    assert len(folder.test.labels) == 8
    for decode in (lambda: load_dataset(tmp_path / "pair", validation=4), lambda: folder.test.images[:2]):
        with pytest.raises(NeurosimError, match=r"python -m pip install 'neurosim-hw\[train\]'"):
            decode()


def test_what_is_wrong_is_said_before_pillow_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    np.savez(tmp_path / "small_train.npz", jpeg=np.zeros(3, np.uint8))
    assert "small_test.npz is missing" in refusal(tmp_path / "small_train.npz")[0]
    (tmp_path / "pictures" / "train").mkdir(parents=True)
    assert "neither val/ nor test/" in refusal(tmp_path / "pictures")[0]


def test_no_torch_and_no_early_pillow():
    for path in Path(archive.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        everywhere = {n for node in ast.walk(tree) for n in imported(node)}
        assert "torch" not in everywhere
        assert "PIL" not in {n for node in tree.body for n in imported(node)}


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [(node.module or "").split(".")[0]] if isinstance(node, ast.ImportFrom) else []
