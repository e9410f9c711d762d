// The agent's own figures as metric families: what it costs, whether it keeps time, what its exports and its history
// do. Pure.
#pragma once

#include "userspace/export/family_set.h"
#include "userspace/model/agent_figures.h"

namespace outrider {

void add_agent(FamilySet& set, const AgentFigures& agent);

}  // namespace outrider
