// Tenants: the shops of the installation.
export interface Tenant {
  tenantId: string;
  title: string;
  createTime: Date;
  /** It gets no tokens. */
  isDisabled: boolean;
  /** Tokens that were issued up to then are revoked, but for those of services; null where it was never disabled. */
  revokeTime: Date | null;
}

/** As it was asked for. */
export interface MadeTenant extends Tenant {
  requestId: string | null;
  /** Its first operator, which may have been deleted since; null where it was registered and not asked for. */
  operatorId: string | null;
}

/** Under these the mesh keeps what is of all tenants together: seals of the audit logs, mails of alerts. */
const reservedTenants: readonly string[] = ["mesh", "all"];

export const isReservedTenant = (tenantId: string): boolean => reservedTenants.includes(tenantId);

/** Whether a token of the tenant was taken back with all others. A service acts for tenants, and finishes what is under way. */
export const isTakenBack = (
  { revokeTime }: Pick<Tenant, "revokeTime">,
  { issueTime, roles }: { issueTime: Date; roles: readonly string[] },
): boolean => revokeTime !== null && issueTime <= revokeTime && !roles.includes("service");

/** A request id is used once: again it stands for the same tenant, and for no other. */
export const isSameTenant = (made: MadeTenant, asked: Pick<Tenant, "tenantId" | "title">): boolean =>
  made.tenantId === asked.tenantId && made.title === asked.title;
