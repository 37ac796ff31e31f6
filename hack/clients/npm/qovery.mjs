// The story of qovery-typescript-axios: two people change hands, with nothing but the client's own methods.

import assert from 'node:assert/strict';

import qovery from 'qovery-typescript-axios';

import { eventually, guest, isId, isTime, organization, owner, step, stranger, url } from './story.mjs';

const { Configuration, InviteMemberRoleEnum, InviteStatusEnum, MembersApi, OrganizationMainCallsApi } = qovery;

const as = (person) => new MembersApi(new Configuration({ basePath: url, accessToken: person.token }));
const [owners, guests, strangers] = [owner, guest, stranger].map(as);

/** Wants the client to throw what axios throws for a status, with the platform's error body, and returns the body. */
async function refused(call, status) {
  const error = await call.then(() => assert.fail(`no error, want ${status}`), (thrown) => thrown);
  assert.equal(error.response?.status, status, error.message);
  const { data } = error.response;
  assert.deepEqual(Object.keys(data).sort(), ['detail', 'error', 'status']);
  assert.equal(data.status, status);
  return data;
}

/** The members by address, each checked against what the client's type promises. */
async function members(api) {
  const { status, data } = await api.getOrganizationMembers(organization);
  assert.equal(status, 200);
  for (const m of data.results) {
    isTime(m.created_at);
    isTime(m.updated_at);
    assert.ok(m.id && m.email && m.name && m.nickname);
    assert.ok(Object.values(InviteMemberRoleEnum).includes(m.role), `${m.role} is no role`);
  }
  return new Map(data.results.map((m) => [m.email, m]));
}

async function roleOf(api, { email }, role) {
  await eventually(async () => assert.equal((await members(api)).get(email)?.role, role));
}

const roles = await step('the roles on offer', async () => {
  const api = new OrganizationMainCallsApi(new Configuration({ basePath: url, accessToken: owner.token }));
  const { data } = await api.listOrganizationAvailableRoles(organization);
  data.results.forEach((role) => isId(role.id));
  assert.deepEqual(data.results.map((role) => role.name), ['owner', 'admin', 'developer', 'billing-admin', 'viewer']);
  return Object.fromEntries(data.results.map((role) => [role.name, role.id]));
});

await step('the owner is the only member', async () => {
  const all = await members(owners);
  assert.deepEqual([...all.keys()], [owner.email]);
  assert.equal(all.get(owner.email).role, InviteMemberRoleEnum.OWNER);
  assert.equal(all.get(owner.email).role_id, roles.owner);
});

await step('a token may come as an API key', async () => {
  const api = new MembersApi(new Configuration({ basePath: url, apiKey: `Token ${owner.token}` }));
  assert.equal((await members(api)).size, 1);
});

await step('an address that is none is refused', async () => {
  const { detail } = await refused(owners.postInviteMember(organization, { email: 'nobody' }), 400);
  assert.match(detail, /email/);
});

const invitation = await step('the owner invites', async () => {
  const { status, data } = await owners.postInviteMember(organization, { email: guest.email, role: InviteMemberRoleEnum.DEVELOPER });
  assert.equal(status, 201);
  isId(data.id);
  isTime(data.created_at);
  const { id, created_at, updated_at, invitation_link, ...rest } = data;
  assert.deepEqual(rest, {
    email: guest.email, role: InviteMemberRoleEnum.DEVELOPER, role_id: roles.developer, role_name: 'developer',
    invitation_status: InviteStatusEnum.PENDING, inviter: owner.email, organization_name: 'Night Works',
  });
  const link = new URL(invitation_link);
  assert.equal(link.searchParams.get('inviteToken'), id);
  assert.equal(link.searchParams.get('organization'), organization);
  return data;
});

await step('once is enough', () => refused(owners.postInviteMember(organization, { email: guest.email }), 409));

await step('the owner lists the invitation, and both read it', async () => {
  const { data } = await owners.getOrganizationInvitedMembers(organization);
  assert.deepEqual(data.results.map((i) => i.id), [invitation.id]);
  for (const api of [owners, guests]) {
    const { data: read } = await api.getMemberInvitation(organization, invitation.id);
    assert.deepEqual({ ...read, updated_at: '' }, { ...invitation, updated_at: '' });
  }
});

await step('a stranger sees and accepts nothing', async () => {
  await refused(strangers.getOrganizationMembers(organization), 404);
  await refused(strangers.postInviteMember(organization, { email: stranger.email }), 404);
  await refused(strangers.postAcceptInviteMember(organization, invitation.id), 403);
  const nobody = new MembersApi(new Configuration({ basePath: url, accessToken: 'nonsense' }));
  await refused(nobody.getOrganizationMembers(organization), 401);
});

await step('the guest accepts, and is a developer', async () => {
  const { status, data } = await guests.postAcceptInviteMember(organization, invitation.id);
  assert.equal(status, 201);
  assert.equal(data.id, invitation.id);
  await roleOf(owners, guest, InviteMemberRoleEnum.DEVELOPER);
  await refused(guests.postAcceptInviteMember(organization, invitation.id), 404);
});

await step('a developer may look and not invite', async () => {
  await eventually(async () => {
    const all = await members(guests).catch((error) => assert.fail(error.message));
    assert.equal(all.size, 2);
  });
  await refused(guests.postInviteMember(organization, { email: stranger.email }), 403);
});

await step('the owner makes the guest an admin', async () => {
  const { id } = (await members(owners)).get(guest.email);
  const { status } = await owners.editOrganizationMemberRole(organization, { user_id: id, role_id: roles.admin });
  assert.equal(status, 200);
  await roleOf(owners, guest, InviteMemberRoleEnum.ADMIN);
  await refused(owners.editOrganizationMemberRole(organization, { user_id: 'unknown', role_id: roles.admin }), 404);
});

await step('an invitation is withdrawn', async () => {
  const { data } = await owners.postInviteMember(organization, { email: 'somebody@example.org', role_id: roles.viewer });
  assert.equal(data.role, InviteMemberRoleEnum.VIEWER);
  assert.equal((await owners.deleteInviteMember(organization, data.id)).status, 204);
  await refused(owners.getMemberInvitation(organization, data.id), 404);
  await refused(owners.deleteInviteMember(organization, data.id), 404);
});

await step('the last owner stays', () => refused(owners.deleteMember(organization, { user_id: owner.email }), 409));

await step('the owner hands the organisation over', async () => {
  const { id } = (await members(owners)).get(guest.email);
  assert.equal((await owners.postOrganizationTransferOwnership(organization, { user_id: id })).status, 204);
  await roleOf(owners, guest, InviteMemberRoleEnum.OWNER);
  await roleOf(owners, owner, InviteMemberRoleEnum.ADMIN);
});

await step('the new owner removes the old one', async () => {
  const { id } = (await members(owners)).get(owner.email);
  await eventually(async () => {
    const call = guests.deleteMember(organization, { user_id: id });
    const { status } = await call.catch((error) => assert.fail(error.message));
    assert.equal(status, 204);
  });
  const all = await members(guests);
  assert.deepEqual([...all.keys()], [guest.email]);
  await eventually(() => refused(owners.getOrganizationMembers(organization), 404));
});
