/** The release this image carries; GET /api/health reports it. */
export const RELEASE = "1";
