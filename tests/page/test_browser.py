"""A walk through the page in a real browser, as a person would: with a mouse, a keyboard and a telephone."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi import testclient
from small_recommender import MOVIES, N_ITEMS, N_USERS, USER_IDS, small, with_catalogue

from movierec.page.page import page
from movierec.recommend.ranker import Asked
from movierec.recommend.titles import Unclear
from movierec.serve.api import create_app
from movierec.serve.events import Events

TITLES = {
    15: "Heat", 14: "Toy Story", 19: "Toy Story 2", 2: "The Godfather", 3: "The Godfather: Part II",
    4: "The Terminator", 11: "Terminator 2: Judgment Day", 20: "The Matrix", 13: "The Lion King",
    16: "The City of Lost Children (La Cité des enfants perdus)", 17: "Léon (a.k.a. The Professional)",
    5: "Star Wars: Episode IV - A New Hope", 6: "Star Wars: Episode V - The Empire Strikes Back",
    7: "L'Avventura", 8: "The Good, the Bad and the Ugly", 9: "Blade Runner", 10: "A Fish Called Wanda",
}  # fmt: skip
MOVIES_HERE = MOVIES.assign(Title=[TITLES.get(item, MOVIES["Title"][item]) for item in range(N_ITEMS)])
HEAT, TOY_STORY, MATRIX, UNPLACED = 15, 14, 20, 35
PLACES = pd.DataFrame({"item": range(30), "x": np.arange(30) % 6, "y": np.arange(30) // 6})
QUERIES = (
    *("toy stroy", "heat (1995)", "heat", "Heat 1995", "godfater", "terminatr 2", "the matrix", "matrix", "LEON"),
    *("leon 1997", "cite des enfants perdus", "profesional", "toy story 2", "the good the bad and the ugly"),
    *("avventura", "star wars", "fish wanda called", "judgment day terminator 2", "lion kign"),
)
SIZES = {"desktop": {"width": 1280, "height": 900}, "telephone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def recommender():
    return with_catalogue(small(), movies=MOVIES_HERE)


@pytest.fixture(scope="module")
def address(recommender, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page(recommender, recommender.recommend(k=20), PLACES, N_USERS), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def visit(browser, address):
    """Opens the page; fails where a script does."""
    errors, contexts = [], []

    def opened(hash="", size="desktop", **options):
        context = browser.new_context(viewport=SIZES[size], has_touch=size == "telephone", **options)
        context.set_default_timeout(3000)
        tab = context.new_page()
        tab.on("pageerror", lambda error: errors.append(error))
        tab.goto(address + hash)
        contexts.append(context)
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def ids(*items):
    return ",".join(str(MOVIES["MovieID"][item]) for item in items)


def rate(tab, title, stars=4, within="#tiles"):
    tab.locator(within).get_by_label(f"Stars for {title}", exact=True).fill(str(stars))


def movies_in(tab, selector):
    return [
        int(item) for item in tab.eval_on_selector_all(f"{selector} .open", "all => all.map(of => of.dataset.movie)")
    ]


def recommended(tab):
    return movies_in(tab, "#new-recommended")


def search(tab, text):
    """The movies that a text finds, best first."""
    tab.fill("#movie-search", text)
    return movies_in(tab, "#tiles")


def test_it_opens_on_tiles_of_which_some_are_picked(visit):
    tab = visit()
    assert tab.get_by_role("heading", name="Pick movies you like").is_visible()
    assert len(movies_in(tab, "#tiles")) == 24 and recommended(tab) == []
    assert tab.locator("#tiles svg").first.is_visible(), "drawn covers"
    tab.fill("#movie-search", "heat")
    rate(tab, "Heat (1995)")
    assert len(recommended(tab)) == 10 and HEAT not in recommended(tab)
    assert tab.locator("#new-recommended .why").first.text_content() == "because you like Heat"
    assert "10 recommendations" in tab.locator("#said").text_content()
    assert tab.evaluate("location.hash") == f"#new={ids(HEAT)}"
    rate(tab, "Heat (1995)", 0)  # takes it back
    assert recommended(tab) == [] and tab.locator("#no-likes").is_visible()


def test_more_tiles_and_more_recommendations(visit):
    tab = visit(f"#new={ids(HEAT)}")
    tab.click("#more-tiles")
    assert sorted(movies_in(tab, "#tiles")) == list(range(N_ITEMS)) and not tab.locator("#more-tiles").is_visible()
    before = recommended(tab)
    tab.click("#more-recommended")
    assert recommended(tab)[:10] == before and len(recommended(tab)) == 20


def test_a_disliked_movie_leaves_and_lowers_what_is_like_it(visit):
    tab = visit(f"#new={ids(HEAT)}")
    disliked = recommended(tab)[0]
    before = tab.evaluate("[...scoreNew(historyOf(state.ratings))]")
    tab.locator("#new-recommended [data-vote=dislike]").first.click()
    assert disliked not in recommended(tab) and len(recommended(tab)) == 10
    assert f"&not={ids(disliked)}" in tab.evaluate("location.hash")
    after = tab.evaluate("[...scoreNew(historyOf(state.ratings))]")
    likeness = tab.evaluate(f"data.titles.map((_, i) => dot(vectors(), i, rowOf(vectors(), {disliked})))")
    others = [movie for movie in range(N_ITEMS) if movie not in (HEAT, disliked)]
    change = np.array(after) - np.array(before)
    assert np.corrcoef(change[others], np.array(likeness)[others])[0, 1] < -0.2
    assert tab.evaluate("document.activeElement.dataset.vote") == "dislike", "the focus stays in the list"
    tab.locator("#liked").get_by_role("button", name="Take back: 1 star for").click()
    assert disliked in recommended(tab)


def test_stars_are_weights_as_in_training(visit, recommender):
    tab = visit(f"#new={ids(HEAT)}*5,{ids(TOY_STORY)}*3&not={ids(MATRIX)}")
    weights = dict(tab.evaluate("[...historyOf(state.ratings)]"))
    matrix, rated = recommender.profiles.matrix, recommender.rated
    for movie, stars in ((HEAT, 5), (TOY_STORY, 3)):
        assert {weights[movie]} == set(matrix.data[np.asarray(rated[matrix.nonzero()]).ravel() == stars].tolist())
    assert weights[MATRIX] == -0.25
    assert [of.strip() for of in tab.locator("#liked li").all_text_contents()] == [
        *("5★ Heat ×", "3★ Toy Story ×", "1★ The Matrix ×")
    ]
    assert tab.locator("#stars-say").text_content().startswith("From 3 stars on")
    before = recommended(tab)
    for place in (1.5, 3.5, 5.5):  # of a click, in stars, after the place to take the rating back
        tab.fill("#movie-search", "heat (1995)")
        box = tab.locator("#tiles .rating").first.bounding_box()
        tab.mouse.click(box["x"] + box["width"] * place / 6, box["y"] + 22)
        assert tab.evaluate("movie => state.ratings.get(movie)", HEAT) == int(place)
    assert recommended(tab) == before, "of the same stars"
    tab.mouse.click(box["x"] + box["width"] / 12, box["y"] + 22)
    assert tab.evaluate("movie => state.ratings.has(movie)", HEAT) is False


def test_filters_by_genre_and_years(visit):
    tab = visit(f"#new={ids(HEAT)}")
    tab.select_option("#genre", "War")
    assert recommended(tab) and all(item % 4 in (1, 2) for item in recommended(tab))
    tab.fill("#from", "1990")
    tab.fill("#to", "1999")
    assert recommended(tab) and all(item % 4 in (1, 2) and 10 <= item <= 19 for item in recommended(tab))
    tab.fill("#from", "2030")
    assert recommended(tab) == [] and tab.locator("#none-passes").is_visible()
    tab.click("#no-filters")
    assert len(recommended(tab)) == 10


def test_variety_chooses_movies_that_differ_more(visit):
    tab = visit(f"#new={ids(HEAT, TOY_STORY)}")

    def likeness():
        pairs = list(itertools.combinations(recommended(tab), 2))
        return np.mean(tab.evaluate("of => of.map(([a, b]) => dot(vectors(), a, rowOf(vectors(), b)))", pairs))

    first, before = recommended(tab), likeness()
    tab.fill("#variety", "0.7")
    assert recommended(tab)[0] == first[0] and recommended(tab) != first
    assert likeness() < before


def test_the_search_finds_what_the_terminal_finds(visit, recommender):
    tab = visit()
    for query in QUERIES:
        try:
            expected = [recommender.titles.find(query)]
        except Unclear as several:
            expected = several.candidates
        assert set(search(tab, query)[: len(expected)]) == set(expected), query


def test_the_search_finds_beginnings_and_says_when_there_is_nothing(visit):
    tab = visit()
    assert set(search(tab, "godf")) == {2, 3} and set(search(tab, "empire stri")) == {6}
    assert search(tab, "heat (19")[0] == HEAT, "a year that is being typed"
    assert TOY_STORY in search(tab, "toyy storry") or "closest" in tab.locator("#movie-found").text_content()
    assert search(tab, "qqqq") == [] and "No movie is called “qqqq”" in tab.locator("#movie-found").text_content()
    assert len(search(tab, "")) == 24
    tab.fill("#movie-search", "matrix")
    tab.press("#movie-search", "Enter")
    assert tab.locator("#liked").text_content().startswith("4★ The Matrix") and recommended(tab)
    assert tab.input_value("#movie-search") == ""


def test_users_are_found_by_id_and_by_a_movie(visit, recommender):
    tab = visit()
    tab.get_by_role("button", name="Users").click()
    tab.fill("#user-search", str(USER_IDS[4]))
    tab.press("#user-search", "Enter")
    assert tab.evaluate("location.hash") == f"#user={USER_IDS[4]}"
    tab.get_by_role("heading", name=f"User {USER_IDS[4]}").wait_for()
    taste, shown = recommender.taste(int(USER_IDS[4]), 10), movies_in(tab, "#taste")
    assert [MOVIES["MovieID"][item] for item in shown] == taste["MovieID"].tolist()
    expected = recommender.recommend(int(USER_IDS[4]), k=20)["MovieID"].tolist()
    assert [MOVIES["MovieID"][item] for item in movies_in(tab, "#recommended")] == expected
    assert tab.locator("#recommended .why").first.text_content().startswith("because they like ")
    tab.fill("#user-search", "Heat")
    users = tab.locator("#user-found button").all_text_contents()
    liking = [user for user in USER_IDS if 1045 in recommender.taste(int(user), 10)["MovieID"].tolist()]
    assert users == [f"User {user}" for user in liking[:12]]
    tab.fill("#user-search", "99999")
    assert "Nobody found" in tab.locator("#user-found").text_content()


def test_a_users_taste_is_a_sentence(visit, recommender):
    tab = visit(f"#user={USER_IDS[7]}")
    sentence = tab.locator(".sentence").text_content()
    assert sentence.startswith("Likes ") and "0s" in sentence and sentence.endswith(".")
    best = recommender.taste(int(USER_IDS[7]), 1)
    assert f"gives {best['Rating'][0]:g} stars to {best['Title'][0]}" in sentence
    assert "woman" not in tab.content() and " man" not in tab.locator("#taste").text_content()


def test_a_wrong_user_in_the_address_is_said(visit):
    tab = visit("#user=nobody")
    said = tab.locator("#user-found")
    assert said.is_visible() and "There is no user “nobody”" in said.text_content()
    assert not tab.locator("#taste").is_visible()
    tab.evaluate(f"location.hash = 'user={USER_IDS[0]}'")
    tab.get_by_role("heading", name=f"User {USER_IDS[0]}").wait_for()
    assert said.text_content() == ""


def test_the_map_moves_zooms_and_opens_movies(visit):
    tab = visit(f"#new={ids(HEAT, UNPLACED)}&map")
    assert "Heat (1995)" in tab.locator("#map-likes").text_content()
    assert tab.locator("#map-recommended button").count() == 10
    box = tab.locator("#canvas").bounding_box()
    place = "([movie, axis]) => onScreen(placeOf(movie))[axis]"
    at = [tab.evaluate(place, [HEAT, axis]) for axis in (0, 1)]
    assert 0 <= at[0] <= box["width"] and 0 <= at[1] <= box["height"], "likes are in view"
    assert all(np.isfinite(tab.evaluate(place, [UNPLACED, axis])) for axis in (0, 1)), "between its neighbours"
    tab.mouse.move(box["x"] + 300, box["y"] + 300)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 340, box["y"] + 320, steps=4)
    tab.mouse.up()
    assert [tab.evaluate(place, [HEAT, axis]) for axis in (0, 1)] == pytest.approx([at[0] + 40, at[1] + 20], abs=1)
    before = tab.evaluate("map.scale")
    tab.mouse.wheel(0, -200)
    tab.wait_for_function("before => map.scale > before", arg=before)
    tab.click("#zoom-all")
    tab.mouse.click(*(box[side] + tab.evaluate(place, [HEAT, axis]) for axis, side in enumerate("xy")))
    assert tab.get_by_role("dialog").get_by_role("heading", name="Heat (1995)").is_visible()


def test_the_map_shows_a_user_and_obeys_the_keyboard(visit):
    tab = visit(f"#user={USER_IDS[3]}")
    tab.get_by_role("button", name="See this user on the map").click()
    tab.get_by_role("heading", name=f"User {USER_IDS[3]}'s likes").wait_for()
    tab.focus("#canvas")
    before = tab.evaluate("[map.x, map.scale]")
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("map.x") == pytest.approx(before[0] + 60)
    tab.keyboard.press("+")
    assert tab.evaluate("map.scale") > before[1]
    tab.keyboard.press("Enter")
    assert tab.get_by_role("dialog").is_visible()


def test_a_movie_opens_in_a_panel_and_closes_in_three_ways(visit, recommender):
    tab, panel = visit(), "dialog#panel"
    search(tab, "heat")
    button = tab.get_by_role("button", name="Heat (1995): about this movie")
    liked_by = recommender.model.graph.matrix.tocsc()[:, [HEAT]].nnz
    for close in ("button", "Escape", "outside"):
        button.click()
        text = tab.locator(panel).text_content()
        assert "Heat (1995)" in text and f"Liked by {liked_by} users" in text and "Similar movies" in text
        if close == "button":
            tab.locator(panel).get_by_role("button", name="Close").click()
        elif close == "Escape":
            tab.keyboard.press("Escape")
        else:
            tab.mouse.click(100, 500)
        assert not tab.locator(panel).is_visible()
        assert button.evaluate("node => node === document.activeElement"), "the focus goes back"
    button.click()
    rate(tab, "Heat (1995)", within=panel)
    assert tab.locator(panel).is_visible() and recommended(tab)
    similar = movies_in(tab, panel)
    assert similar == tab.evaluate(f"similarTo({HEAT}, 8)")
    tab.locator(panel).locator(".open").first.click()
    assert tab.evaluate("document.activeElement.textContent") == tab.evaluate("of => shown(of)", similar[0])


def test_everything_is_reached_by_keyboard_with_a_visible_focus(visit):
    tab, seen = visit(), set()
    for _ in range(12):
        tab.keyboard.press("Tab")
        of = tab.evaluate(
            """() => { const node = document.activeElement, {outlineStyle, outlineWidth} = getComputedStyle(node);
            return [node.id || node.getAttribute("aria-label"), outlineStyle, parseFloat(outlineWidth)]; }"""
        )
        assert of[1] != "none" and of[2] >= 2, of[0]
        seen.add(of[0])
    assert {"to-new", "to-user", "to-map", "movie-search"} <= seen and any(
        str(of).startswith("Stars for ") for of in seen
    )
    tab.focus("#movie-search")
    for key in ("Tab", "Tab", "ArrowRight", "End"):  # past the cover of the first tile, to its stars
        tab.keyboard.press(key)
    assert [*tab.evaluate("[...state.ratings.values()]")] == [5]
    assert len(recommended(tab)) == 10


def test_on_a_telephone_recommendations_come_first_and_targets_are_large(visit):
    tab = visit(size="telephone", reduced_motion="reduce")
    top = "id => document.getElementById(id).getBoundingClientRect().top"
    assert tab.evaluate(top, "picks") < tab.evaluate(top, "for-you")
    stars = tab.locator("#tiles .rating input").nth(5)
    stars.tap(position={"x": stars.bounding_box()["width"] * 4.5 / 6, "y": 22})
    assert tab.evaluate("[...state.ratings.values()]") == [4]
    assert tab.evaluate(top, "for-you") < tab.evaluate(top, "picks")
    assert tab.evaluate("document.documentElement.scrollWidth") <= SIZES["telephone"]["width"]
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    tab.locator("#bar").tap()
    assert tab.locator("#for-you-title").is_visible()
    tab.locator("#tiles .open").first.tap()
    box = tab.locator("#panel").bounding_box()
    assert box["width"] == SIZES["telephone"]["width"] and box["y"] + box["height"] == SIZES["telephone"]["height"]
    small_ones = """() => [...document.querySelectorAll("button, input, select, summary")].filter(node => {
        const {width, height} = node.getBoundingClientRect(); return width && (height < 44 || width < 44);
    }).map(node => node.outerHTML)"""
    assert tab.evaluate(small_ones) == []


def test_colours_follow_the_system_and_motion_can_be_off(visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    animation = "getComputedStyle(document.querySelector('#new-recommended > li')).animationName"
    picked = f"#new={ids(HEAT)}"
    light, dark = visit(picked, color_scheme="light"), visit(picked, color_scheme="dark", reduced_motion="reduce")
    of_light, of_dark = ([int(of) for of in tab.evaluate(ground)[4:-1].split(",")] for tab in (light, dark))
    assert min(of_light) > 200 and max(of_dark) < 60
    assert (light.evaluate(animation), dark.evaluate(animation)) == ("appear", "none")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "view", ["", f"#new={ids(HEAT)}&not={ids(MATRIX)}", "#user=104", "#user=nobody", f"#new={ids(HEAT)}&map", "panel"]
)
def test_axe_finds_nothing(visit, view, scheme):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: `pip install axe-playwright-python`"
    )
    tab = visit("" if view == "panel" else view, "telephone", color_scheme=scheme, reduced_motion="reduce")
    if view == "panel":
        tab.locator("#tiles .open").first.tap()
    found = axe.Axe().run(tab).response["violations"]
    assert [(of["id"], [node["html"] for node in of["nodes"]][:3]) for of in found] == []


def test_where_the_service_answers_the_lists_are_the_whole_models(browser, recommender, address):
    client = testclient.TestClient(create_app(recommender, Events()))
    html = Path(address.removeprefix("file://")).read_text(encoding="utf-8")

    def answer(route):
        path = route.request.url.removeprefix("http://movies.test")
        if path in ("/", "/#"):
            return route.fulfill(body=html, content_type="text/html; charset=utf-8")
        headers = {"content-type": "application/json"}
        found = client.request(route.request.method, path, content=route.request.post_data, headers=headers)
        return route.fulfill(status=found.status_code, body=found.text, content_type="application/json")

    tab = browser.new_page()
    tab.set_default_timeout(3000)
    tab.route("http://movies.test/**", answer)
    tab.goto("http://movies.test/")
    tab.get_by_text("computed by the service, with the whole model").wait_for()
    likes = [HEAT, TOY_STORY]
    tab.evaluate("likes => { location.hash = `new=${likes.map(movie => `${data.movie_ids[movie]}*5`)}` }", likes[:1])
    tab.evaluate("movie => rate(movie, 3)", TOY_STORY)
    weights = tab.evaluate("[weightOf(5), weightOf(3)]")
    movie_ids = [int(MOVIES["MovieID"][of]) for of in likes]
    expected = recommender.for_new(movie_ids, asked=Asked(10), weights=weights)
    shown = ",".join(map(str, expected.items.tolist()))
    movies = "[...document.querySelectorAll('#new-recommended .open')].map(of => of.dataset.movie)"
    tab.wait_for_function(f"expected => String({movies}) === expected", arg=shown)
    tab.select_option("#genre", "War")
    tab.wait_for_timeout(300)
    assert all("War" in MOVIES["Genres"][item] for item in movies_in(tab, "#new-recommended"))
    tab.close()
