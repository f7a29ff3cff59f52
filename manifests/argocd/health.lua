-- Health of a ScaledWorker, QueueConnection or ClusterQueueConnection for Argo CD.
-- A short outage of a broker does not turn an application red: Ready becomes False after a grace only.
local function condition(kind)
  if obj.status ~= nil and obj.status.conditions ~= nil then
    for _, each in ipairs(obj.status.conditions) do
      if each.type == kind then
        return each
      end
    end
  end
  return nil
end

local function holds(kind, status)
  local found = condition(kind)
  return found ~= nil and found.status == status
end

local function said(kind)
  local found = condition(kind)
  if found.message ~= nil and found.message ~= "" then
    return found.reason .. ": " .. found.message
  end
  return found.reason
end

local hs = {}
local ready = condition("Ready")
local seen = obj.status ~= nil and obj.status.observedGeneration or 0

if ready == nil or seen < (obj.metadata.generation or 0) then
  hs.status = "Progressing"
  hs.message = "Worktide has not taken in this version yet"
elseif holds("Stalled", "True") then
  hs.status = "Degraded"
  hs.message = said("Stalled")
elseif ready.status == "False" then
  hs.status = "Degraded"
  hs.message = said("Ready")
elseif ready.status ~= "True" then
  hs.status = "Progressing"
  hs.message = said("Ready")
elseif holds("Paused", "True") and condition("Paused").reason ~= "ObserveOnly" then
  hs.status = "Suspended"
  hs.message = said("Paused")
elseif holds("ReadingsFresh", "False") then
  hs.status = "Healthy"
  hs.message = said("ReadingsFresh")
else
  hs.status = "Healthy"
  hs.message = said("Ready")
end
return hs
