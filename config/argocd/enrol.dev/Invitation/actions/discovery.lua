-- An answer is final, and so is a revocation; what expired can be sent again.
local status = obj.status or {}
local answered = status.acceptedBy ~= nil or status.declinedBy ~= nil or status.outcome == "AlreadyMember"
local revoked = obj.spec.revoked == true
return {
  resend = { disabled = answered or revoked },
  revoke = { disabled = answered or revoked },
}
