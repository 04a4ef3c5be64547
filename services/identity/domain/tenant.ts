// Tenants: the shops of the installation.
export interface Tenant {
  tenantId: string;
  title: string;
  createTime: Date;
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

/** A request id is used once: again it stands for the same tenant, and for no other. */
export const isSameTenant = (made: MadeTenant, asked: Pick<Tenant, "tenantId" | "title">): boolean =>
  made.tenantId === asked.tenantId && made.title === asked.title;
