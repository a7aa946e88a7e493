import { seedUsers } from "./users";
import { run } from "./run";

void run("seedUsers", seedUsers);
