// Where the page is served by `movierec serve`, the lists for someone new are those of the whole model.
const service = { answers: false, asked: 0 };

async function startService() {
  if (!location.protocol.startsWith("http")) return;
  try {
    const answer = await fetch("health");
    service.answers = answer.ok && (await answer.json()).status === "ok";
  } catch {
    return; // another server, without the service
  }
  if (!service.answers) return;
  get("about").textContent = "Recommendations for someone new are computed by the service, with the whole model.";
  if (!get("new-view").hidden) showNew();
}

// The movies with their reasons; nothing if the service fails, or if it has been asked for others since.
async function askService(history, { filters, variety, count }) {
  const number = ++service.asked;
  const likes = [...history].filter(([, weight]) => weight > 0);
  const dislikes = [...history].filter(([, weight]) => weight <= 0);
  const ids = movies => movies.map(([movie]) => data.movie_ids[movie]);
  const weights = likes.map(([, weight]) => weight);
  const year = filters.from || filters.to ? `${filters.from || 1000}-${filters.to || 9999}` : "any";
  const genre = filters.genre ? [filters.genre] : [];
  const options = { genre, year, diversity: variety, top: count, because: true };
  const asked = { likes: ids(likes), weights, dislikes: ids(dislikes), ...options };
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) };
  try {
    const answer = await fetch("recommend", post);
    if (!answer.ok || number !== service.asked) return undefined;
    const movieOf = ({ movie_id: id }) => movieIndex().get(String(id));
    return (await answer.json()).recommendations.map(found => ({
      movie: movieOf(found),
      reasons: found.because.map(of => ({ movie: movieOf(of), share: of.share })),
    }));
  } catch {
    return undefined;
  }
}
