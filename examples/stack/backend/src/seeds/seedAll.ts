import { seedCategories } from "./categories";
import { seedLevels } from "./levels";
import { run } from "./run";
import { seedUsers } from "./users";

void run("seedAll", seedUsers, seedCategories, seedLevels);
