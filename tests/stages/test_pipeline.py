"""The pipeline end to end, as a person runs it, on a part of MovieLens 100K in a copy of the project."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from browser import dom_after_scripts
from conftest import N_USERS
from imports import ROOT, dependency
from mending import mend_lock
from project import Project, part_of, stages_run
from ruamel.yaml import YAML
from stage_runner import SMALL, STAGES, outputs, run_stage

from movierec.interactions.matrix import to_csr
from movierec.model.saving import unpack
from movierec.page.newcomers import Newcomers
from movierec.ranking.topk import MOMENTS, rank_all_users
from movierec.recommend.recommender import Recommender
from movierec.utils.arrays import read_arrays
from movierec.utils.params import param_names
from movierec.utils.storage import read_rankings


def test_everything_is_there_after_a_run(project, ml_100k):
    ndcg = project.metric("test", "ndcg@20")
    assert list(ndcg) == ["model", "EASE", "item-kNN", "popularity"]
    assert 1 > ndcg["model"] > ndcg["popularity"] > 0
    rated = pd.read_csv(ml_100k / "ml-100k.inter", sep="\t")
    recommended = pd.read_parquet(project.folder / "data/recommendations/recommendations.parquet")
    assert list(recommended.columns) == ["UserID", "Rank", "MovieID", "Title", "Year", "Genres", "Score"]
    assert recommended["UserID"].nunique() == N_USERS and (recommended.groupby("UserID").size() == SMALL["top_k"]).all()
    assert not set(zip(recommended["UserID"], recommended["MovieID"])) & set(
        zip(rated["user_id:token"], rated["item_id:token"])
    )
    data = json.loads((project.folder / "metrics/data.json").read_text())
    assert data["ratings"]["read"] == (rated["user_id:token"] <= N_USERS).sum()


def test_a_second_run_does_nothing_and_git_sees_nothing(project):
    assert stages_run(project.dvc("repro")) == []
    assert project.call("git", "status", "--porcelain") == ""


def test_a_lock_file_that_is_cut_off_anywhere_is_mended(project, capsys):
    lock = project.folder / "dvc.lock"
    whole = lock.read_bytes()
    for length in (*range(0, len(whole), 251), *range(len(whole) - 60, len(whole))):
        lock.write_bytes(whole[:length])
        mend_lock(lock)
        assert lock.read_bytes() == whole and "dvc.lock was cut off" in capsys.readouterr().out
    mend_lock(lock)
    assert capsys.readouterr().out == ""


def test_metrics_are_a_table_that_a_person_can_read(project):
    table = project.dvc("metrics", "show").splitlines()
    assert max(map(len, table)) <= 120
    assert table[0].split() == ["Path", "EASE", "item-kNN", "model", "popularity"]
    rows = {line.split()[0]: line.split()[1:] for line in table[1:]}
    assert list(rows) == YAML(typ="safe").load(ROOT / "dvc.yaml")["metrics"], "the most important first"
    assert rows["metrics/test/ndcg@20.json"] == [
        f"{project.metric('test', 'ndcg@20')[name]:g}" for name in table[0].split()[1:]
    ]
    all_of_test = project.dvc("metrics", "show", "metrics/test")
    assert "metrics/test/ndcg@20_women_minus_men.json" in all_of_test
    assert "metrics/test/ndcg@20_model_minus_p.json" in all_of_test
    assert "minus that of EASE" in (project.folder / "metrics/model_card.md").read_text()


@pytest.fixture(scope="module")
def page(project):
    """What `dvc plots diff` writes for another run beside the committed one."""
    project.dvc("exp", "run", "-S", "lr=0.003", "evaluate", "draw")  # trained above
    project.dvc("plots", "diff", "HEAD", "workspace")
    project.call("git", "checkout", "-q", ".")
    project.dvc("checkout")
    return project.folder / "dvc_plots/index.html"


TITLES = [
    next(iter(plot.values()))["title"].splitlines()
    for plot in YAML(typ="safe").load(ROOT / "dvc.yaml")["plots"]
    if isinstance(plot, dict)
]


def test_the_plots_page_has_all_plots_of_both_revisions_and_loads_nothing(page):
    text = page.read_text()
    assert not re.search(r'(src|href)="(https?:)?//', text), "the page must work without a network"
    for title, sentence in TITLES:
        assert json.dumps(f"{title}\n{sentence}") in text
    assert '"rev": "workspace"' in text and '"rev": "HEAD"' in text and "map.png" in text


def test_a_browser_without_a_network_draws_every_plot_and_overlays_the_revisions(page):
    dom = dom_after_scripts(page)
    drawn = re.findall(r'<svg[^>]*class="marks".*?</svg>', dom, re.DOTALL)
    assert len(drawn) == len(TITLES)
    for (title, sentence), svg in zip(TITLES, drawn):
        assert f">{title}</text>" in svg and f"<p>{sentence}</p>" in dom
        assert ">workspace</text>" in svg and ">HEAD</text>" in svg
        assert svg.count("<path") > 4
    loss = drawn[0]
    line = r'<path aria-label="[^"]*" role="graphics-symbol" aria-roledescription="line mark" d="([^"]*)"'
    curves = re.findall(line, loss)
    assert len(curves) == 2 and curves[0] != curves[1], "one curve for each revision, in one picture"
    assert len(re.findall('<img src="static/', dom)) == 6, "three pictures of two revisions"


@pytest.mark.parametrize(("width", "beside"), [(1200, True), (400, False)])
def test_the_plots_page_fits_its_window_and_has_the_pictures_of_both_revisions_side_by_side(page, width, beside):
    script = """<script>setTimeout(() => {
      const places = name => [...document.querySelectorAll(name)].map(of => of.getBoundingClientRect());
      const right = Math.max(...places("img, svg.marks").map(of => of.right));
      parent.postMessage(JSON.stringify([right, places("img").map(of => of.top)]), "*");
    }, 3000)</script>"""
    (page.parent / "measured.html").write_text(page.read_text() + script)
    frame = page.parent / "frame.html"  # a browser's own window cannot be so narrow
    listen = "<title></title><script>onmessage = message => { document.title = message.data }</script>"
    frame.write_text(f'{listen}<iframe src="measured.html" width="{width}" height="900" style="border: 0"></iframe>')
    right, tops = json.loads(re.search("<title>(.+)</title>", dom_after_scripts(frame))[1])
    assert 0.9 * width < right <= width
    assert [left == below for left, below in zip(tops[::2], tops[1::2])] == [beside] * 3


def test_chosen_users_are_shown_readably_and_as_the_table_says(project):
    shown = project.call(sys.executable, "-m", "movierec", "--user", "42", "--user", "7", "--top", "3")
    assert project.recommend("--user", "42", "--user", "7", "--top", "3") == shown, "the stage's script does the same"
    recommended = pd.read_parquet(project.folder / "data/recommendations/recommendations.parquet")
    for user in (42, 7):
        titles = recommended.loc[recommended["UserID"] == user, "Title"].head(3).tolist()
        part = shown[shown.index(f"Recommended to user {user}") :]
        places = [part.index(title) for title in titles]
        assert places == sorted(places)
    assert "User 42 has rated" in shown and "Because of" in shown
    lines = [
        json.loads(line)
        for line in project.recommend("--user", "42", "--user", "7", "--top", "3", "--json").splitlines()
    ]
    assert [line["user_id"] for line in lines] == [42, 7] and len(lines[0]["liked"]) == 8
    assert [movie["movie_id"] for movie in lines[0]["recommendations"]] == recommended.query("UserID == 42")[
        "MovieID"
    ].head(3).tolist()
    assert all(1 <= len(movie["because"]) <= 3 for line in lines for movie in line["recommendations"])


def in_the_page(project, address, script=""):
    """The page's HTML at an address (what stands behind #), after a script has acted as a person would."""
    page = project.folder / "plots/acted.html"
    acting = "<script>" + script + "</script></body>"
    start = f"<script>location.hash = {json.dumps(address)};</script></head>"
    text = (project.folder / "plots/recommendations.html").read_text()
    page.write_text(text.replace("</head>", start, 1).replace("</body>", acting))
    try:
        return dom_after_scripts(page)
    finally:
        page.unlink()


def movies_in(dom, tag, name):
    """The MovieIDs' indices of a part of the page, in order."""
    (part,) = re.findall(rf'<{tag} id="{name}".*?</{tag}>', dom, re.DOTALL)
    return [int(movie) for movie in re.findall(r'data-movie="(\d+)"', part)]


def test_the_page_shows_what_the_table_and_the_command_say(project):
    assert not re.search(
        r"(src|href)=|https?://",
        (project.folder / "plots/recommendations.html").read_text().split('<script id="data"')[0],
    ), "it loads nothing"
    items = pd.read_parquet(project.folder / "data/split/items.parquet")["MovieID"]
    table = pd.read_parquet(project.folder / "data/recommendations/recommendations.parquet")
    # A person types a number, and picks the user that is found with the Enter key.
    pick = """const box = document.getElementById("user-search"); box.value = "42";
        box.dispatchEvent(new Event("input"));
        box.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}));"""
    dom = in_the_page(project, "user=7", pick)
    assert ">User 42</h2>" in dom
    assert [items[movie] for movie in movies_in(dom, "section", "recommended")] == table.query("UserID == 42")[
        "MovieID"
    ].tolist()
    said = json.loads(project.recommend("--user", "42", "--json"))
    assert [items[movie] for movie in movies_in(dom, "section", "taste")][:8] == [
        movie["movie_id"] for movie in said["liked"]
    ]
    assert dom.count("because they like ") == len(said["recommendations"])
    by_title = in_the_page(
        project,
        "user=7",
        """const box = document.getElementById("user-search"); box.value = "toy story";
        box.dispatchEvent(new Event("input"));""",
    )
    assert 1 <= by_title.split('id="user-found"')[1].split("</div>")[0].count(">User ") <= 12


def test_the_page_recommends_to_someone_new_and_shows_similar_movies(project):
    # Two movies are searched for and picked, and one of the recommendations is clicked.
    pick = """for (const title of ["toy stroy", "star wars (1977)"]) {
        const box = document.getElementById("movie-search"); box.value = title;
        box.dispatchEvent(new Event("input")); box.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"})); }
        setTimeout(() => document.querySelector("#new-recommended button").click(), 500);"""
    dom = in_the_page(project, "new=", pick)
    liked = dom.split('id="liked"')[1].split("</ul>")[0]
    assert "Toy Story (1995)" in liked and "Star Wars (1977)" in liked
    recommender = Recommender.load(project.folder / "models")
    likes = recommender.items_of([recommender.find("toy story"), recommender.find("star wars")])
    row = sp.csr_matrix((np.ones(2, np.float32), ([0, 0], likes)), shape=(1, len(recommender.item_ids)))
    scores = Newcomers.of(recommender.model).scores(row)[0]
    scores[likes] = -np.inf
    found = movies_in(dom, "ol", "new-recommended")
    assert len(found) == len(set(found) & set(np.argsort(-scores)[:10])) == 10
    similar = recommender.similar(recommender.item_ids[found[0]], 8)["MovieID"].tolist()
    assert len(set(similar) & {recommender.item_ids[movie] for movie in movies_in(dom, "dialog", "panel")}) >= 7


def test_someone_new_and_similar_movies_are_asked_for_by_title(project):
    asked = ("--like", "toy story", "--like", "Star Wars (1977)", "--dislike", "twelve monkeys", "--gender", "F")
    new = project.recommend(*asked, "--top", "4")
    assert "Someone new: likes Toy Story (1995), Star Wars (1977); dislikes Twelve Monkeys (1995); gender F" in new
    found = json.loads(
        project.recommend(
            *asked,
            "--genre",
            "Comedy",
            "--year",
            "1990-1999",
            "--exclude-genre",
            "Romance",
            "--diversity",
            "0.2",
            "--json",
        )
    )
    assert len(found["recommendations"]) == SMALL["top_k"]
    for movie in found["recommendations"]:
        assert "Comedy" in movie["genres"] and "Romance" not in movie["genres"] and 1990 <= movie["year"] <= 1999
    similar = json.loads(project.recommend("--similar", "star wars", "--top", "5", "--json"))
    assert similar["title"] == "Star Wars (1977)" and "Star Wars" not in [
        movie["title"] for movie in similar["recommendations"]
    ]


def test_the_benchmark_of_variety_starts_from_the_measured_quality(project, tmp_path):
    project.call(sys.executable, "benchmarks/variety.py", "--out", str(tmp_path / "variety.json"))
    rows = json.loads((tmp_path / "variety.json").read_text())["rows"]
    assert rows[0]["ndcg@20"] == pytest.approx(project.metric("test", "ndcg@20")["model"], abs=1e-4)
    distances = [row["vector_distance"] for row in rows]
    assert distances == sorted(distances), "more diversity, larger distances"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--user", "9999"), ["no user 9999", "1 to 150"]),
        (("--like", "no such film at all"), ["'no such film at all'", "closest"]),
        (("--user", "42", "--at", "2003-02-28"), ["a moment", "split_strategy"]),
        (("--user", "42", "--year", "nineties"), ["'nineties'", "1990-1999"]),
    ],
)
def test_a_question_without_an_answer_is_one_line_with_the_way_out(project, arguments, parts):
    (line,) = project.recommend(*arguments, ok=False).splitlines()
    assert line.startswith("recommend: ")
    assert all(part in line for part in parts)


def test_in_time_order_the_whole_history_says_what_comes_next(project):
    project.dvc(
        "exp",
        "run",
        "-S",
        "split_strategy=leave_one_out",
        "-S",
        "recommendations_as=parquet+csv",
        "evaluate",
        "recommend",
        "evaluate-newcomers",
    )
    ndcg = project.metric("test", "ndcg@20")
    assert (
        list(ndcg) == ["model", "EASE", "item-kNN", "popularity", "Markov chain"] and ndcg["model"] > ndcg["popularity"]
    )
    assert list(project.metric("newcomers", "ndcg@20")) == ["model", "EASE", "popularity"]
    parts = [pd.read_parquet(project.folder / part_of(part)) for part in ("train", "valid", "test")]
    assert [len(part) for part in parts[1:]] == [N_USERS, N_USERS]
    movies = pd.read_parquet(project.folder / "data/clean/movies.parquet").set_index("MovieID")["Title"]
    items = pd.read_parquet(project.folder / "data/split/items.parquet")["MovieID"]
    last = pd.concat(parts).query("user == 41")["item"].iloc[-1]
    before = project.recommend("--user", "42", "--top", "5")
    assert "Because of" in before and f"Recommended to user 42, who last watched {movies[items[last]]}"[:60] in before
    table = pd.read_parquet(project.folder / "data/recommendations/recommendations.parquet")
    pd.testing.assert_frame_equal(
        pd.read_csv(
            project.folder / "data/recommendations/recommendations.csv", keep_default_na=False, na_values={"Year": ""}
        ),
        table.astype({"Year": float}),  # a CSV has no integers beside missing ones
        check_dtype=False,
        rtol=1e-5,
    )
    watched = table.query("UserID == 42")["MovieID"].iloc[0]
    after = json.loads(project.recommend("--user", "42", "--watched", str(watched), "--json"))
    assert watched not in [movie["movie_id"] for movie in after["recommendations"]]
    assert f"who last watched {movies[watched]}"[:40] in project.recommend("--user", "42", "--watched", str(watched))
    assert "no movie 99999: MovieIDs go from" in project.recommend("--user", "42", "--watched", "99999", ok=False)
    project.call("git", "checkout", "-q", ".")
    project.dvc("checkout")


def recorded(project, stage):
    """All that the runs of a stage up to now have opened and read, paths relative to the project."""
    found = {"read": set(), "written": set(), "params": set(), "modules": set()}
    for file in Path(project.environment["MOVIEREC_RECORD"]).glob(f"{stage.replace('-', '_')}.*.json"):
        run = json.loads(file.read_text())
        for key, of in found.items():
            of |= {os.path.relpath(path, run["root"]) if key != "params" else path for path in run[key]}
    return found


def inside(path, places):
    return any(path == place or path.startswith(f"{place}/") for place in places)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_what_dvc_yaml_declares_and_nothing_else(project, small_data, stage):
    # By now each stage has run, with a random split and in time order.
    found, entry = recorded(project, stage), STAGES[stage]
    own = os.path.relpath(small_data, project.folder)
    deps = [own if dep == "${data_path}" else dep for dep in entry["deps"]]
    deps += [own] * (stage == "download")  # whose files, with their hashes, are in data/own_data.json
    code = {dep for dep in deps if dep.startswith(("movierec/", "stages/"))}
    unread = {"data/checked.txt", "requirements.txt", "requirements-torch.txt"}  # no stage opens these
    data = set(deps) - code - unread
    read = {path for path in found["read"] if not path.startswith("..") or inside(path, [own])}
    read -= {path for path in read if path.endswith((".py", ".pyc")) or inside(path, code)}
    read -= {"params.yaml", "dvc.yaml"}
    outs = outputs(stage)
    ours = [path for path in read if inside(path, outs) or ".partial" in path]  # a stage may read its own output
    assert {place for place in data if any(inside(path, [place]) for path in read)} == data, "each is opened"
    assert [path for path in read if path not in ours and not inside(path, data)] == [], "and no other"
    written = {
        re.sub(r"(^|/)\.?([^/]*?)\.partial", r"\1\2", path) for path in found["written"] if not path.startswith("..")
    }
    assert [path for path in written if not inside(path, outs)] == []
    modules = [path for path in found["modules"] if path.startswith(("movierec/", "stages/"))]
    assert {dependency(ROOT / path) for path in modules} == code
    declared = entry.get("params", [])
    assert found["params"] & set(param_names()) == {
        name for name in param_names() if {name, name.split(".")[0]} & set(declared)
    }


def test_the_rankings_that_are_measured_are_those_of_the_model_as_it_is_stored(project):
    stored = unpack(read_arrays(project.folder / "models/model.npz"), "model.npz")
    ranked = read_rankings(project.folder / "data/rankings/model.npz")["model"]
    shape = (len(stored.user_ids), len(stored.item_ids))
    for moment, parts in MOMENTS.items():
        seen = to_csr(pd.concat(pd.read_parquet(project.folder / part_of(part)) for part in parts), *shape)
        assert (rank_all_users(stored.model.scorer(), seen)[0] == ranked[moment]).all()


def test_no_model_ranks_a_movie_that_the_user_has_already(project):
    for file in ("model", "baselines"):
        for name, at in read_rankings(project.folder / f"data/rankings/{file}.npz").items():
            for moment, parts in MOMENTS.items():
                seen = pd.concat(pd.read_parquet(project.folder / part_of(part)) for part in parts)
                pairs = {(user, item) for user, row in enumerate(at[moment].tolist()) for item in row if item >= 0}
                assert len(pairs) > 50 * N_USERS and not pairs & set(zip(seen["user"], seen["item"])), (name, moment)


def test_a_wrong_param_stops_the_run_with_one_line(project):
    output = project.dvc("exp", "run", "-S", "lr=abc", ok=False)
    assert "params.yaml: lr is 'abc'" in output and "Traceback" not in output
    output = project.dvc("exp", "run", "-S", "lr=0.01", "-S", "top_k=10000", ok=False)
    assert "check: params.yaml: top_k is 10,000" in output and "Running stage 'train'" not in output
    project.call("git", "checkout", "-q", ".")
    project.dvc("checkout")


def test_training_that_does_harm_stops_and_leaves_no_model(project, monkeypatch):
    project.set_params(lr=10)
    (project.folder / "models/model.npz").unlink()  # as DVC does
    said = run_stage("train", project.folder, monkeypatch)
    assert said.startswith("train: training made the model worse") and "smaller lr (it is 10)" in said
    assert not (project.folder / "models/model.npz").exists()
    project.call("git", "checkout", "-q", ".")
    project.dvc("checkout")


def test_outside_the_environment_a_stage_says_how_to_activate_it(project):
    bare = project.call("python3", "-c", "import sys; print(sys._base_executable)").strip()
    output = project.call(bare, "-S", "stages/train.py", ok=False)
    assert "activate the project's environment first: " in output and "source .venv/bin/activate" in output
    assert len(output.strip().splitlines()) == 1


def test_a_data_set_that_cannot_be_obtained_names_the_ways_out(project):
    environment = project.environment
    project.environment = environment | {
        "MOVIELENS_ARCHIVES": "/nowhere",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    try:
        project.set_params(dataset="ml-1m")
        output = project.dvc("repro", "download", ok=False)
    finally:
        project.environment = environment
        project.call("git", "checkout", "-q", ".")
    (line,) = [line for line in output.splitlines() if line.startswith("download: ")]
    assert "no /nowhere/ml-1m.zip; https://files.grouplens.org" in line
    assert "ml-1m.zip (from https://" in line and "`dataset: ml-100k`" in line and "`dataset: path`" in line
    project.dvc("checkout")
    assert stages_run(project.dvc("repro")) == [], "what was there comes back from the cache"


def test_another_folder_locale_time_zone_hash_seed_number_of_threads_a_kill_and_no_dgl_give_the_same_lock_file(
    project, small_data, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("elsewhere") / "ein Ordner"
    folder.mkdir()
    other = Project(
        folder,
        small_data,
        OMP_NUM_THREADS="2",
        OPENBLAS_NUM_THREADS="1",
        LC_ALL="C",
        TZ="Asia/Tokyo",
        PYTHONHASHSEED="7",
        DGL="off",
    )
    command, environment = [sys.executable, "-m", "dvc", "repro"], other.environment | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        # While a stage runs, DVC does not write dvc.lock; a kill in that moment is that of test_mending.
        assert any("python stages/train.py" in line for line in running.stdout)
        os.killpg(running.pid, signal.SIGKILL)
    again = stages_run(other.dvc("repro"))
    assert "train" in again and "split" not in again, "it was killed while it trained"
    read = YAML(typ="safe").load  # DVC takes independent stages in any order
    assert read(folder / "dvc.lock") == read(project.folder / "dvc.lock")
