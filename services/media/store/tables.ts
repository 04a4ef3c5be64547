// The tables of media, as they are read and written.
export interface MediaTables {
  user_image: {
    tenant_id: string;
    user_id: string;
    content_hash: string;
    width: number;
    height: number;
    bytes: number;
    has_thumbnail: boolean;
    events_sent: number;
    upload_time: Date;
  };
  product_image: {
    tenant_id: string;
    product_id: string;
    content_hash: string;
    width: number;
    height: number;
    bytes: number;
    sizes: number[];
    events_sent: number;
    upload_time: Date;
  };
  erased_user: { tenant_id: string; user_id: string; files_gone: boolean };
}

export interface UserKey {
  tenant: string;
  userId: string;
}
