#include "alerts/corpus/corpus.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <random>

namespace outrider {
namespace {

constexpr int kHour = 3600;
constexpr int kDay = 24 * kHour;
constexpr int kEventRun = 2 * kHour;
constexpr int kEventFrom = 1800;
constexpr int kForever = 1 << 30;

/// Lognormal factors with median 1, drawn once: most of the time would go into them.
class Factors {
 public:
  Factors(std::mt19937_64& random, double sigma) {
    std::normal_distribution<double> normal(0, sigma);
    for (double& factor : factors_) factor = std::exp(normal(random));
  }
  double operator()(std::uint64_t bits) const { return factors_[bits % factors_.size()]; }

 private:
  std::array<double, 1 << 15> factors_{};
};

double log_uniform(std::mt19937_64& random, double low, double high) {
  return std::exp(std::uniform_real_distribution<double>(std::log(low), std::log(high))(random));
}

double uniform(std::mt19937_64& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}

Nuisance draw(std::mt19937_64& random, const Scenario& scenario, bool stress) {
  Nuisance n;
  n.lambda = stress ? log_uniform(random, 10, 80) : log_uniform(random, 30, 400);
  n.hit_ms = log_uniform(random, 1.5, 8);
  n.miss_ms = n.hit_ms * uniform(random, 3, 10);
  n.sigma = stress ? uniform(random, 0.7, 1.1) : uniform(random, 0.4, 0.8);
  n.heavy_share = stress ? 0.01 : 0.003;
  n.heavy_alpha = stress ? 1.6 : 2.2;
  n.ar_sigma = stress ? uniform(random, 0.06, 0.12) : uniform(random, 0.02, 0.06);
  n.hiccup_gap_low = stress ? 60 : 300;
  n.hiccup_gap_high = stress ? 300 : 1800;
  n.rho = uniform(random, 0.2, 0.45);
  n.memory_mb = uniform(random, 1.5, 8) * 1024;
  n.dispersion = stress ? uniform(random, 0.01, 0.05) : uniform(random, 0, 0.01);
  n.hit_rate = uniform(random, 0.8, 0.95);
  n.error_rate = log_uniform(random, 2e-4, 2e-3);
  if (scenario.name == "bursty") n.rho = std::min(n.rho, 0.15);
  if (scenario.name == "heavytail") {
    n.heavy_share = 0.02;
    n.heavy_alpha = 1.4;
    n.hiccup_gap_low = n.hiccup_gap_high = 200;
  }
  return n;
}

}  // namespace

class Run::Engine {
 public:
  Engine(Scenario scenario, std::uint64_t seed, bool stress)
      : scenario_(std::move(scenario)),
        random_(seed * 1'000'003 + std::hash<std::string>()(scenario_.name) % 1'000'003 + (stress ? 77 : 0)),
        nuisance_(draw(random_, scenario_, stress)),
        factors_(random_, nuisance_.sigma) {
    next_hiccup_ = static_cast<int>(uniform(random_, nuisance_.hiccup_gap_low, nuisance_.hiccup_gap_high));
    phase_ = uniform(random_, 0, 2 * std::numbers::pi);
    plan_events();
    plan_idle();
  }

  DetectorSample next();
  [[nodiscard]] const std::vector<LabelledEvent>& events() const { return events_; }

 private:
  struct State {
    double load = 1, service = 1, capacity = 1, hit_rate = 0, error_rate = 0, memory = 1, cpu = 0;
    double pause_ms = 0;  ///< added to 30 % of the queries
  };

  void plan_events();
  void plan_idle();
  void add_event(int begin, int length, int window, int deadline, int forgiven);
  void shape_load(State& state);
  void apply_events(State& state);
  void advance_noise(State& state);
  void draw_queries(const State& state, double latency_factor, std::uint64_t count, DetectorSample& row);
  [[nodiscard]] double mean_cost(double hit_rate) const;

  Scenario scenario_;
  std::mt19937_64 random_;
  Nuisance nuisance_;
  Factors factors_;
  std::normal_distribution<double> normal_;
  std::vector<LabelledEvent> events_;
  std::vector<double> latencies_;
  struct Idle {
    int ramp_down = 0, from = 0, until = 0, ramp_up = 0;
    double level = 0;
  };
  std::vector<Idle> idle_;
  int second_ = 0;
  double ar_ = 0, walk_ = 0, memory_ar_ = 0, phase_ = 0;
  int next_hiccup_ = 0, hiccup_until_ = 0;
  double hiccup_ = 1;
  int burst_until_ = 0, next_burst_ = 60;
  double burst_ = 1;
  int saw_period_ = 120, saw_begin_ = 0;
};

double Run::Engine::mean_cost(double hit_rate) const {
  const double body = (hit_rate * nuisance_.hit_ms + (1 - hit_rate) * nuisance_.miss_ms) *
                      std::exp(nuisance_.sigma * nuisance_.sigma / 2);
  return body + nuisance_.heavy_share * nuisance_.miss_ms * nuisance_.heavy_alpha / (nuisance_.heavy_alpha - 1);
}

void Run::Engine::add_event(int begin, int length, int window, int deadline, int forgiven) {
  events_.push_back({begin, begin + window, deadline, length == kForever ? kForever : begin + length + forgiven});
}

// Somewhere in equal parts of the scored time, not near their ends.
void Run::Engine::plan_events() {
  struct Kind {
    const char* name;
    int count, length, window, deadline, forgiven;
  };
  static constexpr std::array kKinds = {
      Kind{"reg10", 1, kForever, 900, 600, 0},  Kind{"reg20", 1, kForever, 900, 300, 0},
      Kind{"reg50", 1, kForever, 900, 120, 0},  Kind{"spike10", 4, 10, 10, 15, 300},
      Kind{"satur", 2, 360, 360, 120, 300},     Kind{"drop", 2, 300, 300, 60, 300},
      Kind{"errburst", 3, 60, 60, 30, 300},     Kind{"cacheflush", 2, 600, 600, 60, 900},
      Kind{"leak", 1, kForever, 3600, 1800, 0},
  };
  const auto* kind =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& one) { return one.name == scenario_.name; });
  if (kind == kKinds.end()) return;
  const bool lasting = kind->length == kForever;
  const int span = (kEventRun - kEventFrom) / kind->count;
  for (int i = 0; i < kind->count; ++i) {
    const int first = kEventFrom + i * span;
    const int room = lasting ? (scenario_.name == "leak" ? 1200 : 2400) : span - kind->length - kind->forgiven;
    const int begin = first + 120 + static_cast<int>(uniform(random_, 0, std::max(room - 240, 1)));
    add_event(begin, kind->length, kind->window, kind->deadline, kind->forgiven);
  }
}

void Run::Engine::plan_idle() {
  if (scenario_.name != "idle") return;
  for (int at = static_cast<int>(uniform(random_, 1800, 5400)); at < scenario_.seconds;) {
    Idle idle;
    idle.ramp_down = at;
    idle.from = at + 600;
    idle.until = idle.from + static_cast<int>(uniform(random_, 1200, 5400));
    idle.ramp_up = idle.until + 600;
    idle.level = uniform(random_, 0, 1) < 0.5 ? 0 : 0.002;
    idle_.push_back(idle);
    at = idle.ramp_up + static_cast<int>(uniform(random_, 1800, 7200));
  }
}

void Run::Engine::shape_load(State& state) {
  walk_ = std::clamp(walk_ + 0.0008 * normal_(random_), -0.08, 0.08);
  state.load = 1 + walk_;
  if (scenario_.name == "diurnal") {
    const double day = 2 * std::numbers::pi * second_ / kDay + phase_;
    state.load *= 1 + 0.5 * std::sin(day) + 0.12 * std::sin(2 * day);
  }
  if (scenario_.name == "bursty") {
    if (second_ >= next_burst_) {
      burst_ = uniform(random_, 1.5, 3);
      burst_until_ = second_ + static_cast<int>(uniform(random_, 5, 31));
      next_burst_ = burst_until_ + 1 + static_cast<int>(std::exponential_distribution<double>(1 / 120.0)(random_));
    }
    if (second_ < burst_until_) state.load *= burst_;
  }
  for (const Idle& idle : idle_) {
    if (second_ < idle.ramp_down || second_ >= idle.ramp_up) continue;
    double share = idle.level;
    if (second_ < idle.from) share = std::max(idle.level, 1 - (second_ - idle.ramp_down) / 600.0);
    if (second_ >= idle.until) share = std::max(idle.level, (second_ - idle.until) / 600.0);
    state.load *= share;
  }
}

void Run::Engine::apply_events(State& state) {
  const std::string& name = scenario_.name;
  for (const LabelledEvent& event : events_) {
    const int age = second_ - event.begin;
    if (age < 0) continue;
    if (name == "reg10") state.service *= 1.1;
    if (name == "reg20") state.service *= 1.2;
    if (name == "reg50") state.service *= 1.5;
    if (name == "spike10" && age < 10) state.service *= 3;
    if (name == "satur" && age < 360) {
      const double target = nuisance_.rho / 0.85;
      state.capacity = age < 60 ? 1 + (target - 1) * age / 60 : target;
    }
    if (name == "drop" && age < 300) state.load *= 0.2;
    if (name == "errburst" && age < 60) state.error_rate = 0.05;
    if (name == "cacheflush" && age < 1800) {
      state.hit_rate =
          std::min(state.hit_rate, nuisance_.hit_rate + (0.2 - nuisance_.hit_rate) * std::exp(-age / 200.0));
    }
    if (name == "leak") state.memory += 0.25 * age / kHour;
  }
  if (name == "coldstart") {
    state.hit_rate = nuisance_.hit_rate + (0.15 - nuisance_.hit_rate) * std::exp(-second_ / 300.0);
  }
}

void Run::Engine::advance_noise(State& state) {
  ar_ = 0.8 * ar_ + nuisance_.ar_sigma * normal_(random_);
  memory_ar_ = 0.95 * memory_ar_ + 0.002 * normal_(random_);
  state.memory += memory_ar_;
  if (second_ >= next_hiccup_) {
    hiccup_ = uniform(random_, 1.5, 3.5);
    hiccup_until_ = second_ + (uniform(random_, 0, 1) < 0.5 ? 1 : 2);
    next_hiccup_ = second_ + static_cast<int>(uniform(random_, nuisance_.hiccup_gap_low, nuisance_.hiccup_gap_high));
  }
  if (scenario_.name == "gcsaw") {
    if (second_ - saw_begin_ >= saw_period_) {
      saw_begin_ = second_;
      saw_period_ = static_cast<int>(uniform(random_, 60, 180));
      state.pause_ms = 10 * nuisance_.hit_ms;
      state.cpu += 15;
    }
    state.memory += 0.3 * (second_ - saw_begin_) / saw_period_;
  }
}

void Run::Engine::draw_queries(const State& state, double latency_factor, std::uint64_t count, DetectorSample& row) {
  latencies_.clear();
  std::uint64_t hits = 0, failed = 0;
  double sum = 0;
  constexpr double kScale = 1.0 / 4294967296.0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random_();
    const bool hit = static_cast<double>(bits & 0xffffffffU) * kScale < state.hit_rate;
    hits += hit ? 1 : 0;
    double cost = (hit ? nuisance_.hit_ms : nuisance_.miss_ms) * factors_(bits >> 32);
    const double other = static_cast<double>(random_() >> 11) / 9007199254740992.0;
    if (other < nuisance_.heavy_share) {
      cost += nuisance_.miss_ms * std::pow(std::max(other / nuisance_.heavy_share, 1e-9), -1 / nuisance_.heavy_alpha);
    }
    if (1 - other <= state.error_rate) ++failed;
    if (state.pause_ms > 0 && i % 10 < 3) cost += state.pause_ms;
    const double latency = cost * latency_factor / 1000;
    latencies_.push_back(latency);
    sum += latency;
  }
  row.queries_per_second = static_cast<double>(count);
  if (count == 0) return;
  const auto n = static_cast<double>(count);
  row.avg_response_time_seconds = sum / n;
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(0.95 * n)) - 1;
  std::nth_element(latencies_.begin(), latencies_.begin() + rank, latencies_.end());
  row.p95_response_time_seconds = latencies_[static_cast<std::size_t>(rank)];
  row.error_rate = static_cast<double>(failed) / n;
  row.cache_hit_rate = static_cast<double>(hits) / n;
}

DetectorSample Run::Engine::next() {
  State state;
  state.hit_rate = nuisance_.hit_rate;
  state.error_rate = nuisance_.error_rate;
  shape_load(state);
  apply_events(state);
  advance_noise(state);
  const double rho = std::min(
      0.96, nuisance_.rho * state.load * mean_cost(state.hit_rate) / mean_cost(nuisance_.hit_rate) / state.capacity);
  const double queue = 1 + rho * rho / (1 - rho);
  double lambda = nuisance_.lambda * state.load;
  if (nuisance_.dispersion > 0 && lambda > 0) {
    lambda *= std::gamma_distribution<double>(1 / nuisance_.dispersion, nuisance_.dispersion)(random_);
  }
  const std::uint64_t count = lambda > 0 ? std::poisson_distribution<std::uint64_t>(lambda)(random_) : 0;
  const double hiccup = second_ < hiccup_until_ ? hiccup_ : 1;
  DetectorSample row;
  row.time_ms = 1'700'000'000'000 + second_ * 1000LL;
  draw_queries(state, state.service * queue * std::exp(ar_) * hiccup, count, row);
  row.cpu_usage = std::clamp(100 * rho + state.cpu + 1.5 * normal_(random_), 0.0, 100.0);
  row.memory_used_mb = nuisance_.memory_mb * state.memory;
  ++second_;
  return row;
}

Run::Run(const Scenario& scenario, std::uint64_t seed, bool stress)
    : engine_(std::make_unique<Engine>(scenario, seed, stress)) {}
Run::~Run() = default;
Run::Run(Run&&) noexcept = default;
DetectorSample Run::next() { return engine_->next(); }
const std::vector<LabelledEvent>& Run::events() const { return engine_->events(); }

std::vector<Scenario> normal_scenarios() {
  return {{"steady", true, kDay, 600},        {"diurnal", true, 3 * kDay, 600}, {"bursty", true, kDay, 600},
          {"heavytail", true, kDay, 600},     {"gcsaw", true, kDay, 600},       {"idle", true, kDay, 600},
          {"coldstart", true, kEventRun, 600}};
}

std::vector<Scenario> event_scenarios() {
  std::vector<Scenario> all;
  for (const char* name : {"reg10", "reg20", "reg50", "spike10", "satur", "drop", "errburst", "cacheflush", "leak"}) {
    all.push_back({name, false, kEventRun, kEventFrom});
  }
  return all;
}

}  // namespace outrider
